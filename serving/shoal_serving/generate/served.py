"""The adapters that requests may ask for, while some are loaded and others leave."""

import threading
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
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

    May be used from any thread. The stacks belong to whoever loads the model, and then to its
    engine.
    """

    def __init__(self, stacks: AdapterStacks) -> None:
        self.served: Mapping[str, Served] = {}
        self.stacks = stacks
        self._between: Between = _at_once
        self._users: Counter[int] = Counter()
        self._leaving: dict[int, Served] = {}
        self._lock = threading.Lock()

    def belong_to(self, between: Between) -> None:
        """From here on a thread has the stacks; `between` is its engine's `between_steps`."""
        self._between = between

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
                known = self._called_back(adapter.name, digest)
                added[adapter.name] = known or self._load(adapter, digest)
        except BaseException:
            self._retire(added.values())
            raise
        before = self.served
        self.served = {n: s for n, s in before.items() if n in stay} | added
        self._retire(s for s in before.values() if self.served.get(s.name) is not s)

    def _called_back(self, name: str, digest: str) -> Served | None:
        """One that is leaving, and is wanted again before it is gone."""
        with self._lock:
            for served in self._leaving.values():
                if (served.name, served.digest) == (name, digest):
                    return self._leaving.pop(served.id)
        return None

    def _load(self, adapter: Adapter, digest: str) -> Served:
        served = Served(adapter.name, 0, digest)
        named = replace(adapter, name=served.stacked)
        number: int = self._between(partial(self.stacks.load, named)).result()
        return replace(served, id=number)

    def _retire(self, adapters: Iterable[Served]) -> None:
        """Unload those that nobody has, and the others once nobody has them."""
        for served in adapters:
            with self._lock:
                if self._users[served.id]:
                    self._leaving[served.id] = served
                    continue
            self._unload(served)

    def _unload(self, served: Served) -> None:
        self._between(partial(self.stacks.unload, served.stacked))


def _at_once(work: Callable[[], Any]) -> "Future[Any]":
    future: Future[Any] = Future()
    try:
        future.set_result(work())
    except Exception as error:
        future.set_exception(error)
    return future
