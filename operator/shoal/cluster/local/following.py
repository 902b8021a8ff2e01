"""Which of the files that a person named were edited or added, however that was done.

inotify tells at once; every second the files are compared as well, because it says nothing of what
was edited before it began, of a folder that was moved away and back, or on some file systems.
"""

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from pathlib import Path

from watchfiles import awatch

from shoal.cluster.local.manifests import files
from shoal.cluster.local.stamps import Stamp, stamp_of

_RESCAN_MS = 1000
_STEP_MS, _DEBOUNCE_MS = 20, 100


def seen_files(paths: Sequence[Path]) -> dict[Path, Stamp]:
    """The manifest files that the paths (files, or folders of them) hold now."""
    found = (file for path in paths for file in _files(path))
    return {file: stamp for file in found if (stamp := stamp_of(file)) != Stamp()}


async def follow(paths: Sequence[Path], seen: Mapping[Path, Stamp]) -> AsyncGenerator[Path, None]:
    """Every file that is not as it was `seen`, then every one that changes; not the removed."""
    # Folders, because an editor that saves by renaming takes a watched file away.
    folders = {path if path.is_dir() else path.parent for path in paths}
    changes = awatch(
        *folders,
        recursive=False,
        watch_filter=None,
        step=_STEP_MS,
        debounce=_DEBOUNCE_MS,
        rust_timeout=_RESCAN_MS,
        yield_on_timeout=True,
    )
    async with aclosing(changes):
        async for _ in changes:
            now = seen_files(paths)
            differ = sorted(file for file, stamp in now.items() if seen.get(file) != stamp)
            seen = now
            for file in differ:
                yield file


def _files(path: Path) -> list[Path]:
    try:
        return files(path)
    except OSError:
        return []
