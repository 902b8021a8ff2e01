"""Running a command to its end, and saying what it said when it fails."""

import subprocess
from collections.abc import Mapping
from pathlib import Path


class CommandFailed(Exception):
    """A command ended with an error; `stderr` is what it said."""

    def __init__(self, command: tuple[str, ...], code: int, stderr: str) -> None:
        super().__init__(f"{' '.join(command)} ended with {code}: {stderr.strip()}")
        self.code = code
        self.stderr = stderr


def run(
    *command: str,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    stdin: str | None = None,
    timeout_s: float | None = None,
) -> str:
    """What the command writes to its standard output.

    Raises CommandFailed if it ends with an error, subprocess.TimeoutExpired if not in time.
    """
    done = subprocess.run(
        command, cwd=cwd, env=env, input=stdin, timeout=timeout_s, capture_output=True, text=True
    )
    if done.returncode:
        raise CommandFailed(command, done.returncode, done.stderr)
    return done.stdout
