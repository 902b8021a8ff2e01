"""A real `shoal operator` process, and what it does to an API server that keeps an audit log."""

import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

PATIENCE_S = 60.0
IMAGE = "registry.example/shoal-serving:1"


def eventually(check: Callable[[], Any], seconds: float = PATIENCE_S) -> Any:
    """What a check gives once that is something; asks again until then."""
    deadline = time.monotonic() + seconds
    while not (found := check()):
        assert time.monotonic() < deadline, f"not within {seconds} s"
        time.sleep(0.05)
    return found


class OperatorProcess:
    """One candidate. `name` is the user that the API server knows it by."""

    def __init__(self, name: str, kubeconfig: Path, namespace: str, log: Path) -> None:
        self.name = name
        self._log = log
        said = ("--namespace", namespace, "--serving-image", IMAGE, "--listen", "127.0.0.1:0")
        with log.open("wb") as stderr:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "shoal", "operator", "--kubeconfig", kubeconfig, *said],
                stdout=subprocess.DEVNULL,
                stderr=stderr,
                env=os.environ | {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
            )

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
        said = eventually(lambda: self.said("its probes are on"))
        where = said["message"].rpartition(" ")[2]
        try:
            with urllib.request.urlopen(f"http://{where}{path}", timeout=5) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()

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


class Write(NamedTuple):
    """One write that the API server carried out."""

    at: datetime
    user: str
    resource: str


def writes(audit_log: Path) -> list[Write]:
    """Every successful write in an audit log, in the order of their beginnings."""
    events = [json.loads(line) for line in audit_log.read_text().splitlines()]
    found = [
        Write(
            datetime.fromisoformat(event["requestReceivedTimestamp"]),
            event["user"]["username"],
            event["objectRef"]["resource"],
        )
        for event in events
        if event["responseStatus"]["code"] < 300
    ]
    return sorted(found)
