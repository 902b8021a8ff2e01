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

from prometheus_client import disable_created_metrics

from shoal import __version__
from shoal.cluster.kube import Api, KubeCluster, connect
from shoal.cluster.kube.leases import KubeLeases
from shoal.controllers.loop import RECONCILE_MOST_S, Controllers
from shoal.logs import log_json
from shoal.manager.election import Election, Leadership, Unopposed
from shoal.manager.probes import probes
from shoal.metrics import Metrics
from shoal.settings import LEASE, Settings

logger = logging.getLogger(__name__)

# What was begun may end: less than the 30 s that Kubernetes gives a pod.
GRACE_S = 20.0
# Without the Lease, cancelled tasks end at once; if one does not, its process does.
END_S = 4.0
# Attempts at the Lease follow each other within seconds.
STUCK_S = 30.0


def operate(settings: Settings) -> None:
    """Run until SIGTERM or SIGINT.

    Raises:
        LeadershipLost: another process leads now, or may. Nothing of this one writes any more.
        WorldUnavailable: nothing says how to reach Kubernetes.
        PlatformUnsupported: the address of the probes cannot be listened on.
    """
    log_json(settings.log_level)
    disable_created_metrics()  # type: ignore[no-untyped-call]
    asyncio.run(_Operator(settings).run())


class _Operator:
    """Everything that runs while `shoal operator` does."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._metrics = Metrics()
        self._leadership: Leadership = Unopposed()
        self._controllers: Controllers | None = None

    async def run(self) -> None:
        settings, stop = self._settings, asyncio.create_task(_told_to_stop().wait())
        async with connect(settings.kubeconfig, observe=self._metrics.called) as api:
            if settings.leader_election:
                leases = KubeLeases(api, settings.namespace, LEASE)
                self._leadership = Election(leases, f"{socket.gethostname()}_{uuid.uuid4()}")
            async with probes(
                settings.listen, self._metrics, self._unhealthy, self._unready
            ) as where:
                logger.info("shoal %s stands by; its probes are on %s", __version__, where)
                await self._stand_by(api, stop)
        logger.info("shoal %s has stopped", __version__)

    async def _stand_by(self, api: Api, stop: asyncio.Task[bool]) -> None:
        acquiring = asyncio.create_task(self._leadership.acquire())
        await asyncio.wait((acquiring, stop), return_when=asyncio.FIRST_COMPLETED)
        await _end(acquiring)
        _raise_errors_of(acquiring)
        if not acquiring.cancelled():
            await self._lead(api, stop)

    async def _lead(self, api: Api, stop: asyncio.Task[bool]) -> None:
        """Work while the Lease is held, and give it back once nothing works any more."""
        guarded = api.guarded(self._leadership.check)
        cluster = KubeCluster(
            guarded,
            namespace=self._settings.namespace,
            serving_image=self._settings.serving_image,
        )
        self._controllers = Controllers(cluster, self._settings.resync, self._metrics.reconciled)
        self._metrics.working, self._metrics.leading = self._controllers, True
        work = asyncio.create_task(self._controllers.run())
        hold = asyncio.create_task(self._leadership.hold())
        try:
            await asyncio.wait((work, hold, stop), return_when=asyncio.FIRST_COMPLETED)
            if stop.done():
                await self._finish(work, hold)
        finally:
            if hold.done():
                logger.error("%s; this process ends within %.0f s", hold.exception(), END_S)
                _end_process_in(END_S)
            await _end(work, hold)
        if hold.cancelled():
            await self._leadership.release()
        _raise_errors_of(hold, work)

    async def _finish(self, work: asyncio.Task[None], hold: asyncio.Task[None]) -> None:
        logger.info("told to stop: what was begun may end within %.0f s", GRACE_S)
        assert self._controllers is not None
        self._controllers.stop()
        await asyncio.wait((work, hold), timeout=GRACE_S, return_when=asyncio.FIRST_COMPLETED)

    def _unhealthy(self) -> str | None:
        """Beside this, a loop that hangs does not answer at all."""
        if self._leadership.idle_s > STUCK_S:
            return f"the Lease was not looked at for {self._leadership.idle_s:.0f} s"
        if self._controllers is None or self._controllers.queue.longest_s < 2 * RECONCILE_MOST_S:
            return None
        return f"a reconcile hangs for {self._controllers.queue.longest_s:.0f} s"

    def _unready(self) -> str | None:
        """A standby is as ready as a leader."""
        return None if self._leadership.reached else "Kubernetes was not reached yet"


async def _end(*tasks: asyncio.Task[None]) -> None:
    """Cancel those that have not ended, and wait until they have."""
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)


def _raise_errors_of(*tasks: asyncio.Task[None]) -> None:
    """The first error that one of them ended with."""
    for task in tasks:
        if not task.cancelled():
            task.result()


def _end_process_in(seconds: float) -> None:
    """Whatever may hang then."""
    timer = threading.Timer(seconds, os._exit, (1,))
    timer.daemon = True
    timer.start()


def _told_to_stop() -> asyncio.Event:
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    return stop
