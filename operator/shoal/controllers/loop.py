"""The one loop of all controllers: what changed → which keys → reconcile, and again later."""

import asyncio
import logging
import time
import zlib
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from shoal.api import Fleet, Model
from shoal.cluster import Cluster, Key
from shoal.controllers.concerns import (
    Concerned,
    Concerns,
    Seen,
    key_of,
    reconciled_for,
    words_for,
)
from shoal.controllers.fleet import reconcile_fleet
from shoal.controllers.model import reconcile_model
from shoal.controllers.work import WorkQueue
from shoal.errors import InvalidResource, ShoalError
from shoal.logs import speaking_of

logger = logging.getLogger(__name__)

WORKERS = 8
# Changes that come together are acted on together: Ray Serve takes seconds for a configuration.
GATHER_S = 0.05
# Nothing but counts waits for these.
LEISURE_S = 1.0
REWATCH_S, RELIST_S = 1.0, 5.0
# Longer than anything takes whose world answers or refuses.
RECONCILE_MOST_S = 60.0

Reconcile = Callable[[Cluster, Key, datetime], Awaitable[timedelta | None]]
CONTROLLERS: Mapping[str, Reconcile] = {
    Fleet.__name__: reconcile_fleet,
    Model.__name__: reconcile_model,
}


class Result(StrEnum):
    """How a reconcile ended: well, with another look soon, or not well."""

    SUCCESS = "success"
    REQUEUE_AFTER = "requeue_after"
    INVALID = "invalid"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class Reconciled:
    """One reconcile, for whoever counts."""

    key: Key
    result: Result
    seconds: float


Observe = Callable[[Reconciled], None]


def _unobserved(_: Reconciled) -> None:
    """Nobody counts."""


class Controllers:
    """Reconciles what a Cluster holds. An error of one key never stops another.

    Everything is looked at once per `resync`, each key at a time of its own.
    """

    def __init__(self, cluster: Cluster, resync: timedelta, observe: Observe = _unobserved) -> None:
        self.queue = WorkQueue()
        self._cluster = cluster
        self._concerns = Concerns(cluster)
        self._resync_s = resync.total_seconds()
        self._observe = observe

    @property
    def seen(self) -> Mapping[Key, Seen]:
        """Every Model and Fleet that there is, as it was seen last."""
        return self._concerns.seen

    async def run(self) -> None:
        """Reconcile until cancelled, or until told to `stop`."""
        async with asyncio.TaskGroup() as tasks:
            beside = [tasks.create_task(each) for each in (self._watch(), self._resync())]
            await asyncio.wait([tasks.create_task(self._work()) for _ in range(WORKERS)])
            for task in beside:
                task.cancel()

    def stop(self) -> None:
        """Begin nothing more; `run` returns once what was begun has ended."""
        self.queue.close()

    async def _watch(self) -> None:
        """A watch begins with every key there is: one begun anew misses nothing."""
        while True:
            try:
                async for key in self._cluster.watch():
                    await self._tell(reconciled_for(key))
            except Exception as error:
                _complain("the watch broke and is begun anew", error)
            await asyncio.sleep(REWATCH_S)

    async def _tell(self, key: Key) -> None:
        try:
            async with asyncio.timeout(RECONCILE_MOST_S):
                concerned = await self._concerns.of(key)
        except Exception as error:
            _complain(f"whom {words_for(key)} concerns is not known", error)
            concerned = Concerned(at_once=(key,))
        for one in concerned.at_once:
            self.queue.add(one)
        for one in concerned.next:
            self.queue.add_paced(one, 0.0)
        for one in concerned.soon:
            self.queue.add_paced(one, GATHER_S)
        for one in concerned.at_leisure:
            self.queue.add_paced(one, LEISURE_S)

    async def _resync(self) -> None:
        """Whatever was missed is made good."""
        wait = RELIST_S  # At first the watch tells of everything.
        while True:
            await asyncio.sleep(wait)
            try:
                await self._look_at_everything()
                wait = self._resync_s
            except Exception as error:
                _complain("the resync is put off", error)
                wait = RELIST_S

    async def _look_at_everything(self) -> None:
        there = {key_of(fleet) for fleet in await self._cluster.list(Fleet)}
        there |= {key_of(model) for model in await self._cluster.list(Model)}
        for key in there:
            self.queue.add_after(key, phase(key) * self._resync_s)
        for gone in self.seen.keys() - there:
            await self._tell(gone)

    async def _work(self) -> None:
        while (key := await self.queue.get()) is not None:
            began = time.monotonic()
            seen = self.seen.get(key)
            with speaking_of(object=words_for(key), generation=seen and seen.generation):
                result = await self._reconcile(key)
            self._observe(Reconciled(key, result, time.monotonic() - began))

    async def _reconcile(self, key: Key) -> Result:
        try:
            async with asyncio.timeout(RECONCILE_MOST_S):
                # Kubernetes tells times in whole seconds.
                now = datetime.now(UTC).replace(microsecond=0)
                again = await CONTROLLERS[key.kind](self._cluster, key, now)
        except InvalidResource as error:  # Only another edit helps, and the watch tells of it.
            logger.warning("%s is left as it is: %s", words_for(key), error)
            self.queue.done(key)
            return Result.INVALID
        except Exception as error:
            wait = self.queue.failed(key)
            _complain(f"{words_for(key)} is tried again in {wait:.1f} s", error)
            return Result.ERROR
        self.queue.done(key)
        if again is None:
            return Result.SUCCESS
        self.queue.add_after(key, again.total_seconds())
        return Result.REQUEUE_AFTER


def phase(key: Key) -> float:
    """When in each interval a key has its turn, from 0 to 1: always the same, and evenly spread."""
    return zlib.crc32("/".join(key).encode()) / 2**32


def _complain(what: str, error: Exception) -> None:
    """A world that does not answer is told in a line, a mistake of ours with its traceback."""
    known = isinstance(error, ShoalError | TimeoutError)
    logger.error("%s: %s", what, str(error) or type(error).__name__, exc_info=not known)
