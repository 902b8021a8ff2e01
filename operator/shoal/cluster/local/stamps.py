"""Whether a resource's files are still the ones that were seen, without reading them."""

import time
from pathlib import Path
from typing import NamedTuple

from shoal.cluster import Key
from shoal.cluster.local.layout import FOLDERS, Layout

_RACY_NS = 100_000_000


class Stamp(NamedTuple):
    """One file: modification time in nanoseconds, inode, and size in bytes; zeros if absent."""

    modified: int = 0
    inode: int = 0
    size: int = 0


class Stamps(NamedTuple):
    """A resource's manifest and status."""

    manifest: Stamp
    status: Stamp

    @property
    def certain(self) -> bool:
        """Whether both files are old enough that a further change must have another time."""
        return max(self.manifest.modified, self.status.modified) < time.time_ns() - _RACY_NS


def stamps_of(layout: Layout, key: Key) -> Stamps:
    """The stamps of one resource."""
    return Stamps(stamp_of(layout.manifest(key)), stamp_of(layout.status(key)))


def all_stamps(layout: Layout) -> dict[Key, Stamps]:
    """The stamps of every resource under a home."""
    keys = (key for kind in FOLDERS for key in layout.keys(kind))
    return {key: stamps_of(layout, key) for key in keys}


def stamp_of(path: Path) -> Stamp:
    """The stamp of one file."""
    try:
        found = path.stat()
    except FileNotFoundError:
        return Stamp()
    return Stamp(found.st_mtime_ns, found.st_ino, found.st_size)
