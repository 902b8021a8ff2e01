"""An environment of its own for each peer, made on first use and kept in the user's cache.

The folder's name carries a hash of the pinned requirements and of the Python that made it, so a
changed pin makes a new environment and never mends an old one.
"""

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path


class EnvironmentFailed(Exception):
    """An environment could not be made; the message is the installer's last line."""


def cache() -> Path:
    """Where environments and models are kept between runs: outside the repository."""
    root = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(root) / "shoal-bench"


def python(name: str, requirements: Path, told: Mapping[str, str] | None = None) -> Path:
    """The interpreter of the environment that holds `requirements`, made if it is not there yet.

    `told` are environment variables for what is built from source.

    Raises:
        EnvironmentFailed: pip refused; nothing usable is left behind.
    """
    made_of = requirements.read_bytes() + sys.version.encode()
    folder = cache() / f"{name}-{hashlib.sha256(made_of).hexdigest()[:12]}"
    interpreter = folder / "bin" / "python"
    done = folder / "complete"
    if not done.exists():
        _make(folder, interpreter, requirements, told or {})
        done.touch()
    return interpreter


def _make(folder: Path, interpreter: Path, requirements: Path, told: Mapping[str, str]) -> None:
    print(f"making {folder} (once)", file=sys.stderr, flush=True)
    shutil.rmtree(folder, ignore_errors=True)
    folder.parent.mkdir(parents=True, exist_ok=True)
    create = [sys.executable, "-m", "venv", str(folder)]
    install = [str(interpreter), "-m", "pip", "install", "--quiet", "-r", str(requirements)]
    for command in (create, install):
        env = {**os.environ, **told}
        ran = subprocess.run(command, capture_output=True, text=True, check=False, env=env)
        if ran.returncode:
            shutil.rmtree(folder, ignore_errors=True)
            lines = [line for line in ran.stderr.splitlines() if line.strip()]
            raise EnvironmentFailed(lines[-1] if lines else f"exit code {ran.returncode}")
