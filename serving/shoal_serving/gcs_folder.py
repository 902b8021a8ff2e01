"""`python -m shoal_serving.gcs_folder ROOT CLUSTER`: ready the folder that a Ray head starts on.

ROOT is a volume on which each Ray cluster of a Fleet keeps the state of its GCS (RocksDB), in a
folder of its own name. It runs before Ray starts: it makes the folder, waits until the GCS of an
earlier head has let go of it, because RocksDB has one writer and Ray gives up at once, and removes
the folders of Ray clusters that are long gone. Only the standard library, and quickly.
"""

import fcntl
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

PATIENCE_S = 120
# A head may be away for long; the folder of a Ray cluster that lives is written to every day.
GONE_S = 24 * 3600
LOCK = "LOCK"


def main() -> None:
    """See above; exits with a sentence if the folder stays locked."""
    root, cluster = Path(sys.argv[1]), sys.argv[2]
    folder = prepared(root, cluster)
    if not released(folder, time.sleep):
        sys.exit(f"{folder} is still in use after {PATIENCE_S} s: another head of it is running")
    for old in abandoned(root, cluster, time.time()):
        shutil.rmtree(old, ignore_errors=True)
        print(f"{old} is removed: its Ray cluster is gone")  # noqa: T201


def prepared(root: Path, cluster: str) -> Path:
    """The Ray cluster's folder, which says by its time that a head started on it."""
    folder = root / cluster
    folder.mkdir(exist_ok=True)
    folder.touch()
    return folder


def released(folder: Path, sleep: Callable[[float], None]) -> bool:
    """Wait until nobody holds the folder's RocksDB; whether that came in time."""
    for _ in range(PATIENCE_S):
        if not is_held(folder):
            return True
        sleep(1.0)
    return False


def is_held(folder: Path) -> bool:
    """Whether a process on this machine has the RocksDB open (a POSIX record lock, as it takes)."""
    return any(_is_locked(lock) for lock in folder.rglob(LOCK))


def abandoned(root: Path, cluster: str, now: float) -> Iterator[Path]:
    """The folders of other Ray clusters that nobody holds or has written to for a day."""
    for folder in root.iterdir():
        if folder.name != cluster and folder.is_dir() and _is_abandoned(folder, now):
            yield folder


def _is_abandoned(folder: Path, now: float) -> bool:
    try:
        last = max(path.stat().st_mtime for path in (folder, *folder.rglob("*")))
        return now - last > GONE_S and not is_held(folder)
    except OSError:  # `lost+found` is root's, and files come and go in a folder that lives.
        return False


def _is_locked(lock: Path) -> bool:
    with lock.open("r+b") as file:
        try:
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


if __name__ == "__main__":
    main()
