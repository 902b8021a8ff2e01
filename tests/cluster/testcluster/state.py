"""The folder of one cluster, and how everything that was started for it is found and ended.

Every process that belongs to a cluster carries the folder's name in its environment, where neither
a parent's death nor a new session can take it away. So nothing needs to be written down when
something is started, and nothing is forgotten when the owner dies between two steps.

A cluster belongs to the process that made it. It ends with its owner: by `stop`, by the reaper
that watches the owner, or by the next cluster's `sweep`. A kept cluster belongs to the checkout of
the repository instead, and stays until somebody there asks for its end.
"""

import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
from machine.cache import locked

from testcluster.cgroups import remove_cgroups
from testcluster.network import remove_cable

PREFIX = "shoal-cluster-"
MARK = "SHOAL_TEST_CLUSTER"
OWNER = "owner.json"
# Of all clusters of this user: none is made or swept by another meanwhile.
LOCK = "clusters"
CHECKOUT = Path(__file__).resolve().parents[3]
PATIENCE_S = 30.0
# More memory for less work in Go programs: an API server does a quarter less, in a gigabyte more.
LAZY_COLLECTOR = {"GOGC": "400"}
# psutil derives when a process started from the time of boot, which clock steps may shift a little.
SAME_START_S = 2.0


@dataclass
class State:
    """One cluster's folder; `root` is its absolute path."""

    root: Path
    reaper: subprocess.Popen[bytes] | None = None

    @classmethod
    def create(cls) -> "State":
        """A new folder, after what dead owners left has been ended."""
        with locked(LOCK):
            sweep_locked()
            state = cls(Path(tempfile.mkdtemp(prefix=PREFIX)))
            state.root.chmod(0o755)
            state._belong_to({"pid": os.getpid(), "started": _started(os.getpid())})
        state.reaper = _watch(state.root)
        return state

    def keep(self) -> None:
        """From here on it belongs to this checkout of the repository, and outlives this process."""
        self._belong_to({"checkout": str(CHECKOUT)})
        self._end_reaper()

    @property
    def name(self) -> str:
        """The folder's name, which names whatever else must be the cluster's own."""
        return self.root.name

    @property
    def environment(self) -> dict[str, str]:
        """All that processes of this cluster have in theirs: no proxies, nobody's settings."""
        home = str(self.folder("home"))
        here = {MARK: str(self.root), "HOME": home, "PATH": os.environ.get("PATH", os.defpath)}
        return here | LAZY_COLLECTOR

    @property
    def kubeconfig(self) -> Path:
        """Of the cluster's administrator."""
        return self.root / "admin.kubeconfig"

    def folder(self, name: str) -> Path:
        """A folder in the folder, made if it is missing."""
        path = self.root / name
        path.mkdir(parents=True, exist_ok=True)
        return path

    def is_alive(self) -> bool:
        """Whether its owner runs; of a kept cluster, whether it does itself."""
        owner = self._read_owner()
        if "pid" in owner:
            return _is_running(owner["pid"], owner["started"])
        return bool(self.processes())

    def is_kept_here(self) -> bool:
        """Whether it was kept by this checkout. What another one keeps is not ours to end."""
        return bool(self._read_owner().get("checkout") == str(CHECKOUT))

    def processes(self) -> list[psutil.Process]:
        """Every process that was started for this cluster and is not gone."""
        return [one for one in psutil.process_iter() if _mark(one) == str(self.root)]

    def end(self) -> None:
        """End every process of the cluster and remove the folder."""
        self._end_reaper()
        deadline = time.monotonic() + PATIENCE_S
        while left := self.processes():
            if time.monotonic() > deadline:
                raise TimeoutError(f"{self.root}: these do not end: {left}")
            for process in left:
                with contextlib.suppress(psutil.Error):
                    process.kill()
            psutil.wait_procs(left, timeout=1)
        self._remove()

    def _belong_to(self, owner: dict[str, Any]) -> None:
        (self.root / OWNER).write_text(json.dumps(owner))

    def _read_owner(self) -> dict[str, Any]:
        with contextlib.suppress(OSError, ValueError):
            return json.loads((self.root / OWNER).read_text()) or {}
        return {}

    def _end_reaper(self) -> None:
        if self.reaper is not None:
            self.reaper.kill()
            self.reaper.wait()
            self.reaper = None

    def _remove(self) -> None:
        remove_cgroups(self.name)
        remove_cable(self.name)
        deadline = time.monotonic() + PATIENCE_S
        while self.root.exists():
            shutil.rmtree(self.root, ignore_errors=time.monotonic() < deadline)


def all_states() -> list[State]:
    """The folders of this user's clusters, whoever owns them."""
    folders = Path(tempfile.gettempdir()).glob(f"{PREFIX}*")
    return [State(path) for path in sorted(folders) if _is_ours(path)]


def sweep() -> None:
    """End what dead owners left."""
    with locked(LOCK):
        sweep_locked()


def sweep_locked() -> None:
    """As `sweep`, for whoever holds the lock."""
    for state in all_states():
        if not state.is_alive():
            state.end()


def _watch(root: Path) -> subprocess.Popen[bytes]:
    """Start the reaper. It has a session of its own, so that Ctrl-C does not end it first."""
    path = os.pathsep.join([str(Path(__file__).parents[1]), *sys.path])
    return subprocess.Popen(
        [sys.executable, "-m", "testcluster.reaper", str(os.getpid()), str(root)],
        env=os.environ | {"PYTHONPATH": path},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        start_new_session=True,
    )


def _is_ours(path: Path) -> bool:
    with contextlib.suppress(OSError):
        return path.is_dir() and path.stat().st_uid == os.getuid()
    return False


def _mark(process: psutil.Process) -> str | None:
    with contextlib.suppress(psutil.Error, OSError):
        return process.environ().get(MARK)
    return None


def _started(pid: int) -> float:
    return psutil.Process(pid).create_time()


def _is_running(pid: int, started: float) -> bool:
    with contextlib.suppress(psutil.Error):
        process = psutil.Process(pid)
        same = abs(process.create_time() - started) < SAME_START_S
        return same and process.status() != psutil.STATUS_ZOMBIE
    return False
