"""The adapters that requests may ask for, while some are loaded and others leave."""

import threading
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from shoal.errors import ModelNotFound
from shoal_serving.generate.adapters import Adapter, AdapterStacks

# Has work done by the thread that owns the stacks.
Between = Callable[[Callable[[], Any]], "Future[Any]"]


@dataclass(frozen=True, slots=True)
class Served:
    """An adapter that can be asked for: its id in the stacks, and the digest of its files."""

    name: str
    id: int
    digest: str

    @property
    def variant(self) -> str:
        """Tells its keys and values from those of all other adapters, and of the base."""
        return self.stacked if self.id else ""

    @property
    def stacked(self) -> str:
        """Its name in the stacks, where an older one of the same name may still be."""
        return f"{self.name} ({self.digest.removeprefix('sha256:')[:8]})"


BASE = Served("", 0, "")


class ServedAdapters:
    """Hands out adapters, and lets them go when the last one who has it has given it back.

    May be used from any thread. `between` is the engine's `between_steps`.
    """

    def __init__(self, stacks: AdapterStacks, between: Between) -> None:
        self.served: Mapping[str, Served] = {}
        self._stacks = stacks
        self._between = between
        self._users: Counter[int] = Counter()
        self._leaving: dict[int, Served] = {}
        self._lock = threading.Lock()

    def take(self, name: str | None) -> Served:
        """The adapter of that name, to be given back; without a name, the base.

        Raises:
            ModelNotFound: there is none.
        """
        if name is None:
            return BASE
        with self._lock:
            served = self.served.get(name)
            if served is None:
                there = ", ".join(self.served) or "none"
                raise ModelNotFound(f"there is no adapter {name!r}; served: {there}", "model")
            self._users[served.id] += 1
            return served

    def release(self, served: Served) -> None:
        if served is BASE:
            return
        with self._lock:
            self._users[served.id] -= 1
            gone = not self._users[served.id] and served.id in self._leaving
            if gone:
                del self._leaving[served.id]
        if gone:
            self._unload(served)

    def change(self, adapters: Sequence[tuple[Adapter, str]], stay: Collection[str]) -> None:
        """Serve these, each with its digest, and of those that are served the names in `stay`.

        Blocking. Who has one that is no longer served keeps it.

        Raises:
            ModelLoadFailed: one does not fit this base; what was served still is.
        """
        added: dict[str, Served] = {}
        try:
            for adapter, digest in adapters:
                added[adapter.name] = self._load(adapter, digest)
        except BaseException:
            for served in added.values():
                self._unload(served)
            raise
        for served in self._switch({n: s for n, s in self.served.items() if n in stay} | added):
            self._unload(served)

    def _load(self, adapter: Adapter, digest: str) -> Served:
        served = Served(adapter.name, 0, digest)
        named = replace(adapter, name=served.stacked)
        number: int = self._between(partial(self._stacks.load, named)).result()
        return replace(served, id=number)

    def _switch(self, served: Mapping[str, Served]) -> list[Served]:
        """Serve exactly these; of the others, those that nobody has."""
        with self._lock:
            gone = [s for n, s in self.served.items() if served.get(n) is not s]
            self.served = served
            self._leaving.update({s.id: s for s in gone if self._users[s.id]})
            return [s for s in gone if not self._users[s.id]]

    def _unload(self, served: Served) -> None:
        self._between(partial(self._stacks.unload, served.stacked))
