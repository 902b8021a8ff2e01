"""A laptop's control plane: settings → store → Ray → cluster → controllers, and their end.

`up` is the whole control plane of a laptop in one process. It stays until it is told to stop, and
leaves nothing behind that the next `up` could not take over.
"""

import asyncio
import contextlib
import logging
import logging.handlers
import os
import signal
import socket
import sys
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import timedelta
from pathlib import Path

from shoal import __version__
from shoal.api import Fleet, FleetSpec, FleetStatus, Model, ModelStatus, ObjectMeta, Pool
from shoal.cluster.local import RunState, Store, hold, holder, is_running, load
from shoal.cluster.local.cluster import SYSTEM_NAMESPACE, LocalCluster
from shoal.cluster.local.following import follow, seen_files
from shoal.cluster.local.head import HeadRecord, adopt_head, end_head
from shoal.cluster.local.run import log_file
from shoal.cluster.local.service import LocalService
from shoal.cluster.local.stamps import Stamp
from shoal.controllers.loop import Controllers
from shoal.errors import InvalidResource, PlatformUnsupported, ShoalError

logger = logging.getLogger(__name__)

DEFAULT_FLEET = "default"
RESYNC = timedelta(seconds=30)
STOP_S = 60.0

Beside = Callable[[Store], Awaitable[None]]


async def _nothing_beside(store: Store) -> None:
    """No display."""


def up(
    home: Path,
    files: Sequence[Path],
    port: int,
    cpus: float | None,
    beside: Beside = _nothing_beside,
) -> None:
    """Serve what the home says until SIGINT or SIGTERM, or until its terminal is closed (SIGHUP).

    `files` (or folders) are applied and watched. `beside` runs in the same event loop, to show a
    person how things go. Ray is told of `cpus` processors: by default four times those there are.

    Raises:
        PlatformUnsupported: this is not Linux, or the port is taken.
        AlreadyRunning: another `up` holds the home.
        ExceptionGroup: of InvalidResource, where files do not say what they should.
    """
    if sys.platform != "linux":
        raise PlatformUnsupported(
            "shoal up needs Linux: Ray Serve's HAProxy, which carries every request, is made for "
            "Linux only. On other systems run it in a Linux container or virtual machine."
        )
    with hold(home):
        _log_to(home)
        asyncio.run(_Platform(home, files, port, cpus or 4.0 * (os.cpu_count() or 1)).run(beside))


def down(home: Path) -> bool:
    """Stop the `up` of a home, and end whatever a killed one left; whether one was running."""
    running = is_running(home)
    pid = holder(home)
    if running and pid is not None:
        os.kill(pid, signal.SIGTERM)
        _wait_until_released(home)
    end_head(home / "run" / "ray.json")
    return running


class _Platform:
    """Everything that runs while `shoal up` does."""

    def __init__(self, home: Path, files: Sequence[Path], port: int, cpus: float) -> None:
        self._home = home
        self._files = tuple(path.resolve() for path in files)
        self._port = port
        self._store = Store(home)
        name = (SYSTEM_NAMESPACE, DEFAULT_FLEET)
        self._service = LocalService(self._store, name, home / "run", port, cpus, self._say_where)
        self._cluster = LocalCluster(self._store, self._service, port)
        self._cpus = cpus

    async def run(self, beside: Beside) -> None:
        anew = self._adopted() is None
        if anew:
            self._check_port()
        self._ensure_default_fleet()
        seen = seen_files(self._files)
        problems = [problem for path in self._files for problem in self._apply(path)]
        if problems:
            raise ExceptionGroup("files that do not say what they should", problems)
        stop = _told_to_stop()
        if anew:
            self._forget_statuses()
        try:
            await asyncio.to_thread(self._service.start)
            await self._serve_until(stop, seen, beside)
        finally:
            await self._service.stop()

    async def _serve_until(
        self, stop: asyncio.Event, seen: Mapping[Path, Stamp], beside: Beside
    ) -> None:
        work = [
            self._service.run(),
            Controllers(self._cluster, RESYNC).run(),
            self._follow_files(seen),
            stop.wait(),
        ]
        display = asyncio.ensure_future(beside(self._store))
        tasks = [asyncio.ensure_future(each) for each in work]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            for task in (*tasks, display):
                task.cancel()
            await asyncio.gather(*tasks, display, return_exceptions=True)

    def _adopted(self) -> HeadRecord | None:
        """The head that a killed `up` left running, if it can be taken over."""
        return adopt_head(self._home / "run" / "ray.json", self._port, self._cpus)

    def _check_port(self) -> None:
        with contextlib.closing(socket.socket()) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", self._port))
            except OSError as error:
                raise PlatformUnsupported(
                    f"port {self._port} of 127.0.0.1 cannot be used ({error.strerror}); "
                    "choose another with --port"
                ) from error

    def _ensure_default_fleet(self) -> None:
        if self._store.get(Fleet, "", DEFAULT_FLEET) is None:
            spec = FleetSpec(pools=(Pool(name="local"),))
            self._store.apply(Fleet(metadata=ObjectMeta(name=DEFAULT_FLEET), spec=spec))

    def _forget_statuses(self) -> None:
        """What was true of another Ray is not true of this one."""
        for model in self._store.list(Model):
            self._store.report(model.model_copy(update={"status": ModelStatus()}))
        for fleet in self._store.list(Fleet):
            self._store.report(fleet.model_copy(update={"status": FleetStatus()}))

    def _apply(self, path: Path) -> list[InvalidResource]:
        loaded = load(path)
        for resource in loaded.resources:
            self._store.apply(resource)
        return loaded.problems

    async def _follow_files(self, seen: Mapping[Path, Stamp]) -> None:
        """An edited or added file is applied at once; a wrong one changes nothing."""
        if not self._files:
            await asyncio.Event().wait()
        async for changed in follow(self._files, seen):
            self._apply_edit(changed)

    def _apply_edit(self, path: Path) -> None:
        try:
            problems: list[ShoalError] = [*self._apply(path)]
        except ShoalError as error:
            problems = [error]
        for problem in problems:
            logger.error("%s was not applied: %s", path, problem)

    def _say_where(self, head: HeadRecord) -> None:
        state = RunState(
            pid=os.getpid(),
            url=f"http://127.0.0.1:{self._port}",
            token=head.token,
            dashboard=f"http://127.0.0.1:{head.dashboard}",
            ray_temp=str(head.temp),
            version=__version__,
        )
        state.write(self._home)
        logger.info(
            "shoal %s serves on %s; Ray's files are in %s", __version__, state.url, head.temp
        )


def _told_to_stop() -> asyncio.Event:
    """Set by the signals that end it; what was started with `nohup` outlives its terminal."""
    stop, numbers = asyncio.Event(), [signal.SIGINT, signal.SIGTERM]
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        numbers.append(signal.SIGHUP)
    for number in numbers:
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    return stop


def _log_to(home: Path) -> None:
    handler = logging.handlers.RotatingFileHandler(log_file(home), maxBytes=2**23, backupCount=2)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    root = logging.getLogger()
    root.addHandler(handler)
    root.setLevel(logging.INFO)
    logging.getLogger("httpx").setLevel(logging.WARNING)
    logging.getLogger("watchfiles").setLevel(logging.WARNING)


def _wait_until_released(home: Path) -> None:
    deadline = time.monotonic() + STOP_S
    while is_running(home):
        if time.monotonic() > deadline:
            raise PlatformUnsupported(f"shoal on {home} did not stop within {STOP_S:.0f} s")
        time.sleep(0.05)
