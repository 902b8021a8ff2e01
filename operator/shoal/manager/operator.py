"""One process of the operator: standby until it leads, then the controllers until it must stop.

Several may run; the Lease says which of them works. A process that loses it ends and is begun anew
by Kubernetes: there is no way back to standby that could leave something running.
"""

import asyncio
import logging
import os
import signal
import socket
import threading
import uuid
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from prometheus_client import disable_created_metrics

from shoal import __version__
from shoal.cluster import Cluster
from shoal.cluster.kube import Api, KubeCluster, connect
from shoal.cluster.kube.leases import KubeLeases
from shoal.controllers.loop import RECONCILE_MOST_S, Controllers
from shoal.errors import LeadershipLost
from shoal.logs import log_json
from shoal.manager.election import Election, Leadership, Unopposed
from shoal.manager.probes import probes
from shoal.metrics import Metrics
from shoal.settings import LEASE, Settings

logger = logging.getLogger(__name__)

# What was begun may end; less than the 30 s that Kubernetes gives a pod.
GRACE_S = 20.0
# Cancelled tasks end at once. If one does not, the process does.
END_S = 2.0
# Attempts at the Lease follow each other within seconds.
STUCK_S = 30.0


def operate(settings: Settings) -> None:
    """Run until SIGTERM or SIGINT.

    Raises:
        LeadershipLost: another process may lead now. Nothing of ours runs any more.
        WorldUnavailable: nothing says how to reach Kubernetes.
        PlatformUnsupported: the address of the probes cannot be listened on.
    """
    log_json(settings.log_level)
    disable_created_metrics()
    asyncio.run(_Operator(settings).run())


class _Operator:
    """Everything that runs while `shoal operator` does."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._metrics = Metrics()
        self._leadership: Leadership = Unopposed()
        self._controllers: Controllers | None = None

    async def run(self) -> None:
        stop = _told_to_stop()
        async with connect(self._settings.kubeconfig, observe=self._metrics.called) as api:
            if self._settings.leader_election:
                leases = KubeLeases(api, self._settings.namespace, LEASE)
                self._leadership = Election(leases, f"{socket.gethostname()}_{uuid.uuid4()}")
            async with self._probes():
                if await _before(self._leadership.acquire(), stop):
                    await self._lead(api, stop)

    async def _lead(self, api: Api, stop: asyncio.Event) -> None:
        """Work while the Lease is held; give it back once nothing works any more."""
        work = asyncio.create_task(self._work(api))
        holding = asyncio.create_task(self._leadership.hold())
        try:
            await _first(work, holding, asyncio.create_task(stop.wait()))
            if stop.is_set():
                logger.info("told to stop: what was begun may end within %.0f s", GRACE_S)
                self._stop_working()
                await _first(work, holding, within=GRACE_S)
        finally:
            _end_soon_anyway()
            await _cancel(work, holding)
        for task in (holding, work):
            if task.done() and not task.cancelled():
                ...
