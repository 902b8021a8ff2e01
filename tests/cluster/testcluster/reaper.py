"""Ends a cluster when its owner dies: `python -m testcluster.reaper OWNER FOLDER`.

It is all that is left when the owner is killed, and does what the owner would have done.
"""

import contextlib
import sys
from pathlib import Path

import psutil
from machine.cache import locked

from testcluster.state import LOCK, State


def main(owner: int, root: Path) -> None:
    """Return when the owner is gone and nothing of the cluster is left."""
    with contextlib.suppress(psutil.NoSuchProcess):
        psutil.Process(owner).wait()
    with locked(LOCK):
        if root.exists():
            State(root).end()


if __name__ == "__main__":
    main(int(sys.argv[1]), Path(sys.argv[2]))
