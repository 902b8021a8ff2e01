"""KubeRay in miniature: makes the RayService in the store true on this machine.

It starts the head (or adopts the one that is there), hands Ray Serve its configuration when that
changes, starts the head again if it dies, and keeps the RayService's status.
"""

import asyncio
import contextlib
import logging
from collections.abc import Callable
from pathlib import Path

from shoal.api import RayService, RayServiceStatus
from shoal.cluster.local.head import (
    HeadRecord,
    adopt_head,
    end_head,
    is_alive,
    last_words,
    start_head,
)
from shoal.cluster.local.serve import ConfigurationRefused, ServeApi
from shoal.cluster.local.store import Store
from shoal.errors import WorldUnavailable

logger = logging.getLogger(__name__)

BUSY_S, IDLE_S = 0.25, 2.0
_SETTLED = frozenset({"RUNNING"})


class LocalService:
    """Runs one RayService."""

    def __init__(
        self,
        store: Store,
        name: tuple[str, str],
        run: Path,
        port: int,
        cpus: float,
        has_head: Callable[[HeadRecord], None],
    ) -> None:
        """`has_head` is told of every head, the first and those that replace a dead one."""
        self.head: HeadRecord | None = None
        self._store = store
        self._namespace, self._name = name
        self._path = run / "ray.json"
        self._cache = run.parent / "cache"
        self._port, self._cpus = port, cpus
        self._has_head = has_head
        self._api: ServeApi | None = None
        self._told: str | None = None
        self._refusal = ""
        self._news = asyncio.Event()

    def start(self) -> None:
        """Have a head, without waiting until it answers."""
        self.head = adopt_head(self._path, self._port, self._cpus)
        if self.head is None:
            self.head = start_head(self._path, self._port, self._cpus, self._cache)
        self._api = ServeApi(self.head.dashboard, self.head.token)
        self._told = None
        self._has_head(self.head)

    def poke(self) -> None:
        """The RayService in the store may have changed."""
        self._news.set()

    async def run(self) -> None:
        """Make it true, for ever."""
        while True:
            wait = await self._step()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(wait):
                    await self._news.wait()
            self._news.clear()

    async def stop(self) -> None:
        """End Ray and everything it started."""
        if self._api is not None:
            await self._api.close()
        await asyncio.to_thread(end_head, self._path)

    async def _step(self) -> float:
        service = self._store.get(RayService, self._namespace, self._name)
        if service is None:
            return IDLE_S
        await self._ensure_head()
        status = await self._told_and_observed(service)
        self._store.report(service.model_copy(update={"status": status}))
        return IDLE_S if _is_settled(status) else BUSY_S

    async def _ensure_head(self) -> None:
        if self.head is not None and not is_alive(self.head):
            logger.warning("Ray's head died; starting another. It wrote: %s", last_words(self.head))
            await self.stop()
            self.start()

    async def _told_and_observed(self, service: RayService) -> RayServiceStatus:
        assert self._api is not None
        try:
            await self._tell(self._api, service.spec.serve_config)
            status = await self._api.status()
        except WorldUnavailable as error:
            logger.debug("%s", error)
            return RayServiceStatus()
        observed = service.metadata.generation
        return status.model_copy(update={"refusal": self._refusal, "observed_generation": observed})

    async def _tell(self, api: ServeApi, config: str) -> None:
        """Hand over the configuration if it is news, and remember what Ray Serve objects to."""
        if config == self._told:
            return
        self._refusal = ""
        try:
            await api.put(config)
        except ConfigurationRefused as error:
            logger.error("Ray Serve refused the configuration: %s", error)
            self._refusal = str(error)
        self._told = config


def _is_settled(status: RayServiceStatus) -> bool:
    applications = status.active_service_status.application_statuses.values()
    return bool(applications) and all(each.status in _SETTLED for each in applications)
