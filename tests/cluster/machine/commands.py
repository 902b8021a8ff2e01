"""Running a command to its end, and saying what it said when it fails."""

import subprocess
from collections.abc import Mapping
from pathlib import Path

# A build says much before it says what failed.
LAST_WORDS = 2000


class CommandFailed(Exception):
    """A command ended with an error; says what it said, `stderr` alone is what it complained of."""

    def __init__(self, command: tuple[str, ...], code: int, stdout: str, stderr: str) -> None:
        said = f"{stdout[-LAST_WORDS:]}\n{stderr}".strip()
        super().__init__(f"{' '.join(command)} ended with {code}: {said}")
        self.code = code
        self.stderr = stderr


def run(
    *command: str,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    stdin: str | None = None,
) -> str:
    """What the command writes to its standard output; its input is empty unless it is said.

    Raises CommandFailed if it ends with an error.
    """
    done = subprocess.run(
        command,
        cwd=cwd,
        env=env,
        input=stdin or "",
        capture_output=True,
        text=True,
    )
    if done.returncode:
        raise CommandFailed(command, done.returncode, done.stdout, done.stderr)
    return done.stdout
