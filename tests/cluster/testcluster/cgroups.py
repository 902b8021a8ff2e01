"""The control groups of a cluster's containers: one folder per hierarchy, named as the cluster."""

import time
from pathlib import Path

ROOT = Path("/sys/fs/cgroup")
UNIFIED = ROOT / "cgroup.controllers"
PATIENCE_S = 30.0


def make_cgroups(name: str) -> None:
    """Make an empty group of that name wherever this machine has groups."""
    for hierarchy in _hierarchies():
        group = hierarchy / name
        group.mkdir(exist_ok=True)
        # Version 1 takes no process before it is said which processors and memory it may use.
        for setting in ("cpuset.cpus", "cpuset.mems"):
            if (group / setting).exists() and not UNIFIED.exists():
                (group / setting).write_text((hierarchy / setting).read_text())


def remove_cgroups(name: str) -> None:
    """Remove the groups of that name and all in them, whose processes have ended or are ending."""
    for hierarchy in _hierarchies():
        group = hierarchy / name
        # The deepest first: only an empty group can be removed.
        for folder in sorted(group.rglob("*/"), reverse=True):
            _remove(folder)
        _remove(group)


def _hierarchies() -> list[Path]:
    """Of version 2, one; of version 1, one per controller, of which some are links to others."""
    if UNIFIED.exists() or not ROOT.exists():
        return [ROOT]
    return [path for path in ROOT.iterdir() if path.is_dir() and not path.is_symlink()]


def _remove(folder: Path) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while folder.is_dir():
        try:
            folder.rmdir()
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.02)
