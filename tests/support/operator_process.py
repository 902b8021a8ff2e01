"""A real `shoal operator` process."""

import json
import os
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any

from waiting import PATIENCE_S, eventually

IMAGE = "registry.example/shoal-serving:1"


class OperatorProcess:
    """One candidate. `name` is the user that the API server knows it by.

    `options` are more of its command line, `environment` more of its environment; `under` runs
    another module before it, as `cProfile`.
    """

    def __init__(
        self,
        name: str,
        kubeconfig: Path,
        namespace: str,
        log: Path,
        options: Sequence[str] = (),
        environment: Mapping[str, str] | None = None,
        under: Sequence[str] = (),
    ) -> None:
        self.name = name
        self._log = log
        said = ("--namespace", namespace, "--serving-image", IMAGE, "--listen", "127.0.0.1:0")
        path = {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
        with log.open("wb") as stderr:
            self._process = subprocess.Popen(
                [
                    *(sys.executable, *under, "-m", "shoal", "operator"),
                    *("--kubeconfig", str(kubeconfig), *said, *options),
                ],
                stdout=subprocess.DEVNULL,
                stderr=stderr,
                env=os.environ | path | (environment or {}),
                # Linux divides the processors among sessions: in that of the tests, which is one
                # for all of them, it may get none for seconds, and would lose its Lease.
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def records(self) -> list[dict[str, Any]]:
        """What it logged; every line must be an object of JSON."""
        whole, _, _ = self._log.read_text().rpartition("\n")
        return [json.loads(line) for line in whole.splitlines()]

    def said(self, words: str) -> dict[str, Any] | None:
        """The first record whose message has these words."""
        return next((one for one in self.records if words in one["message"]), None)

    def ask(self, path: str) -> tuple[int, str]:
        """Status and text of `/healthz`, `/readyz` or `/metrics`."""
        try:
            with urllib.request.urlopen(
                f"http://{self._probes}{path}", timeout=PATIENCE_S
            ) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()

    @cached_property
    def _probes(self) -> str:
        said = eventually(lambda: self.said("its probes are on"))
        return str(said["message"].rpartition(" ")[2])

    @property
    def leads(self) -> bool:
        return self.said(" leads") is not None

    def stood_by_for(self) -> float:
        """Seconds until it led."""
        times = [self.said(words) for words in ("stands by", " leads")]
        began, led = (datetime.fromisoformat(one["time"]) for one in times if one)
        return (led - began).total_seconds()

    @property
    def code(self) -> int | None:
        """Its exit code once it has ended."""
        return self._process.poll()

    def ended(self, seconds: float = PATIENCE_S) -> int:
        """Wait for its end; the exit code."""
        return self._process.wait(seconds)

    def stop(self) -> None:
        """As a node drains."""
        self._process.terminate()

    def pause(self) -> None:
        self._process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        self._process.send_signal(signal.SIGCONT)

    def kill(self) -> None:
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()


@contextmanager
def ending(processes: list[OperatorProcess]) -> Iterator[list[OperatorProcess]]:
    """A list of processes that are ended with the block."""
    try:
        yield processes
    finally:
        for process in processes:
            process.kill()
