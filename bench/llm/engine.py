"""An engine as the driver has it: a process that answers one line at a time."""

import json
import os
import subprocess
from pathlib import Path
from typing import Any

from bench.llm.engines.worker import ANSWER

ROOT = Path(__file__).parents[2]


class EngineFailed(Exception):
    """It did not start, or could not do what it was asked; the message says why."""


class Engine:
    """One engine with one model, loaded. `name` is the row or column that it has in the report."""

    def __init__(
        self, name: str, python: Path, module: str, arguments: list[str], log: Path
    ) -> None:
        """Start it, and wait until it is loaded.

        Raises:
            EngineFailed: it ended.
        """
        self.name = name
        self._log = log
        with log.open("w") as said:
            self._process = subprocess.Popen(
                [python, "-m", f"bench.llm.engines.{module}", *arguments],
                env={**os.environ, **told()},
                cwd=ROOT,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=said,
                text=True,
            )
        self._read()

    def ask(self, call: str, **asked: Any) -> Any:
        """What it answers.

        Raises:
            EngineFailed: it could not, or has ended.
        """
        assert self._process.stdin
        try:
            self._process.stdin.write(json.dumps({"call": call, **asked}) + "\n")
            self._process.stdin.flush()
        except BrokenPipeError as error:
            raise EngineFailed(self._last_words()) from error
        answer = self._read()
        if "error" in answer:
            raise EngineFailed(answer["error"])
        return answer["value"]

    def stop(self) -> None:
        self._process.kill()
        self._process.communicate()

    def _read(self) -> dict[str, Any]:
        assert self._process.stdout
        for line in self._process.stdout:
            if line.startswith(ANSWER):
                answer: dict[str, Any] = json.loads(line.removeprefix(ANSWER))
                return answer
        self._process.wait()
        raise EngineFailed(self._last_words())

    def _last_words(self) -> str:
        lines = self._log.read_text(errors="replace").strip().splitlines()
        return lines[-1][:300] if lines else f"exit code {self._process.returncode}"


def told() -> dict[str, str]:
    paths = (ROOT, ROOT / "operator", ROOT / "serving")
    return {
        "PYTHONPATH": os.pathsep.join(map(str, paths)),
        "ORT_DISABLE_TELEMETRY": "1",
        "HF_HUB_OFFLINE": "1",
    }
