"""What anybody can see who watches Models and RayServices, and when it came to be seen."""

import asyncio
import time
from collections.abc import AsyncGenerator, Iterable, Mapping
from contextlib import asynccontextmanager
from typing import NamedTuple

from bench.control.crowd import Who
from bench.control.pretended import told
from shoal.cluster.kube import Api
from shoal.cluster.kube.informer import Informer, Pace
from shoal.cluster.kube.kinds import MODEL, RAY_SERVICE
from shoal.cluster.kube.store import Name, Raw, Store

PATIENCE_S = 600.0


class _Seen(NamedTuple):
    generation: int
    ready: int
    """The generation that it is Ready with; 0 for none."""


class NotSeen(Exception):
    """Something did not come to be within `PATIENCE_S`; the message says what."""


class Onlooker:
    """Use `watching`."""

    def __init__(self) -> None:
        self.ready: dict[str, int] = {}
        """The generation that each Model is Ready with, by `namespace/name`."""

        self.told: dict[str, int] = {}
        """The generation that RayServices tell of each Model."""

        self._news = asyncio.Event()
        self.models = Store(_model, self._model)
        self.services = Store(_told, self._service)

    async def until_told(self, models: Iterable[Who], generation: int = 1) -> float:
        """When (monotonic) the RayServices told of that generation of them all."""
        return await self._until(self.told, models, generation, "told of")

    async def until_ready(self, models: Iterable[Who], generation: int = 1) -> float:
        """When (monotonic) all of them were Ready with that generation."""
        return await self._until(self.ready, models, generation, "Ready")

    async def _until(
        self, seen: Mapping[str, int], models: Iterable[Who], generation: int, what: str
    ) -> float:
        left = list(models)
        try:
            async with asyncio.timeout(PATIENCE_S):
                while left:
                    if seen.get(left[-1].key, 0) >= generation:
                        left.pop()
                        continue
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError:
            words = f"{left[-1].key} is not {what} after {PATIENCE_S:.0f} s"
            raise NotSeen(words) from None
        return time.monotonic()

    def _model(self, name: Name, before: _Seen | None, after: _Seen | None) -> None:
        self.ready["/".join(name)] = after.ready if after is not None else 0
        self._news.set()

    def _service(self, name: Name, before: object, after: dict[str, int] | None) -> None:
        self.told |= after or {}
        self._news.set()


@asynccontextmanager
async def watching(api: Api) -> AsyncGenerator[Onlooker, None]:
    """An onlooker for as long as the block lasts."""
    onlooker = Onlooker()
    stores = {MODEL: onlooker.models, RAY_SERVICE: onlooker.services}
    informers = [Informer(api, kind, store, Pace(), _nothing) for kind, store in stores.items()]
    tasks = [asyncio.create_task(informer.run()) for informer in informers]
    try:
        for informer in informers:
            await informer.settled.wait()
        yield onlooker
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _nothing() -> None:
    """Whether a kind can be looked at: here it can."""


def _model(raw: Raw) -> _Seen:
    conditions = (raw.get("status") or {}).get("conditions") or ()
    ready = (one for one in conditions if one["type"] == "Ready" and one["status"] == "True")
    generation = next((one.get("observedGeneration", 0) for one in ready), 0)
    return _Seen(raw["metadata"]["generation"], generation)


def _told(raw: Raw) -> dict[str, int]:
    return {one.key: one.wanted.generation for one in told(raw["spec"]["serveConfigV2"])}
