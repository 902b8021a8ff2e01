"""A program that runs for as long as its cluster does."""

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import psutil

from testcluster.state import State

PATIENCE_S = 60.0


class DaemonFailed(Exception):
    """A program ended, or was not ready in time; says the end of its log."""


class Daemon:
    """One program of a cluster; its output is `logs/NAME.log` in the cluster's folder.

    `prefix` is a command that runs it somewhere else, such as in the namespaces of a node.
    """

    def __init__(
        self, state: State, name: str, command: Sequence[str], prefix: Sequence[str] = ()
    ) -> None:
        self.name = name
        self.log = state.folder("logs") / f"{name}.log"
        self._state = state
        self._command = [*prefix, *command]
        self._program = Path(command[0]).name
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it; returns at once."""
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                self._command,
                cwd=self._state.root,
                env=self._state.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def wait_until(self, ready: Callable[[], bool], patience_s: float = PATIENCE_S) -> None:
        """Return when it is `ready`; raises DaemonFailed if it ends before, or takes too long."""
        deadline = time.monotonic() + patience_s
        while not ready():
            if not self.running:
                raise DaemonFailed(f"{self.name} ended: {self._last_words()}")
            if time.monotonic() > deadline:
                raise DaemonFailed(
                    f"{self.name} is not ready after {patience_s:.0f} s: {self._last_words()}"
                )
            time.sleep(0.05)

    @property
    def running(self) -> bool:
        """Whether it was started and has not ended."""
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int:
        """Of the program itself, or of the command that is about to become it."""
        if self._process is None:
            raise DaemonFailed(f"{self.name} was not started")
        return self._found() or self._process.pid

    @property
    def in_place(self) -> bool:
        """Whether the program itself runs, where it is to run."""
        return self._found() is not None

    def _found(self) -> int | None:
        if self._process is None:
            return None
        started = psutil.Process(self._process.pid)
        family = [started, *started.children(recursive=True)]
        return next((one.pid for one in family if _executable(one) == self._program), None)

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the program."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, number)

    def stop(self, patience_s: float = 5.0) -> None:
        """Ask it to end, and kill it when it takes too long."""
        self.signal(signal.SIGTERM)
        try:
            self._reap(patience_s)
        except subprocess.TimeoutExpired:
            self.kill()

    def kill(self) -> None:
        """End it without asking."""
        if self.running:
            self.signal(signal.SIGKILL)
            self._reap(PATIENCE_S)

    def _reap(self, patience_s: float) -> None:
        if self._process is not None:
            self._process.wait(patience_s)

    def _last_words(self) -> str:
        lines = self.log.read_text(errors="replace").splitlines()
        return "\n".join(["", *lines[-15:], f"(all of it: {self.log})"])


def _executable(process: psutil.Process) -> str | None:
    with contextlib.suppress(psutil.Error, OSError):
        return Path(process.exe()).name
    return None
