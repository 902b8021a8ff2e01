"""Unpacking a `.tar.gz` that nobody vouches for.

Only regular files and folders come out, below the folder that was given, within the limits;
anything else in the archive refuses the whole of it. Modes, owners and times are not taken over.
"""

import tarfile
import zlib
from collections.abc import Callable
from gzip import BadGzipFile, GzipFile
from pathlib import Path
from typing import IO, cast

from shoal.errors import ArtifactRefused
from shoal_serving.artifacts.digest import plain_path
from shoal_serving.artifacts.transfer import CHUNK, Meter, Progress, check_count

# ValueError and RecursionError: what tarfile makes of headers that mean nothing, or one another.
_UNSOUND = (tarfile.TarError, zlib.error, EOFError, BadGzipFile, ValueError, RecursionError)
_SUFFIXES = (".tar.gz", ".tgz")
_WAY_OUT = "Make it again: tar -chzf MODEL.tar.gz -C FOLDER . (which follows links)."


def is_archive(name: str) -> bool:
    """Whether a file of this name is unpacked."""
    return name.lower().endswith(_SUFFIXES)


def unpack(archive: Path, into: Path, limit: int, progress: Progress, source: str) -> Path:
    """Unpack into an empty folder; returns it, or the one folder in it that holds everything.

    Progress is in bytes of the archive; the limit is on what comes out.

    Raises:
        ArtifactRefused: it is broken, over the limits, or holds what no model needs.
    """
    meter = Meter("unpack", None, limit, lambda *_: None, source)
    with archive.open("rb") as packed:
        size = archive.stat().st_size
        stream = _Forward(packed, meter, lambda: progress("unpack", packed.tell(), size), source)
        try:
            _extract_all(stream, into, source)
            stream.drain()
        except _UNSOUND as error:
            raise _refused(source, f"is not a sound .tar.gz: {error}") from error
    return _whole(into, source)


def _extract_all(stream: "_Forward", into: Path, source: str) -> None:
    with tarfile.open(fileobj=cast(IO[bytes], stream), mode="r:") as tar:
        for count, member in enumerate(tar, start=1):
            check_count(count, source)
            _extract(tar, member, into, source)


def _extract(tar: tarfile.TarFile, member: tarfile.TarInfo, into: Path, source: str) -> None:
    if member.isdir() and member.name in (".", ""):
        return
    path = into / plain_path(member.name, source)
    try:
        if member.isdir():
            path.mkdir(parents=True, exist_ok=True)
        elif member.isreg() and not member.issparse():
            path.parent.mkdir(parents=True, exist_ok=True)
            _write(tar, member, path)
        else:
            raise _refused(source, f"holds {member.name[:300]!r}, a link, device or sparse file")
    except (FileExistsError, NotADirectoryError) as error:
        raise _refused(source, f"holds {member.name[:300]!r} twice") from error


def _write(tar: tarfile.TarFile, member: tarfile.TarInfo, path: Path) -> None:
    content = tar.extractfile(member)
    assert content is not None
    with content, path.open("xb") as file:
        while chunk := content.read(CHUNK):
            file.write(chunk)


def _whole(folder: Path, source: str) -> Path:
    """People pack a folder as often as its content: both mean the same model."""
    entries = list(folder.iterdir())
    if not entries:
        raise _refused(source, "holds no files")
    return entries[0] if len(entries) == 1 and entries[0].is_dir() else folder


class _Forward:
    """What tarfile reads: it goes forward only, in bounded steps, and every byte is counted.

    So an archive that leads tarfile in circles, or whose headers claim gigabytes, is refused.
    """

    def __init__(
        self, packed: IO[bytes], meter: Meter, report: Callable[[], None], source: str
    ) -> None:
        self._stream = GzipFile(fileobj=packed)
        self._meter = meter
        self._report = report
        self._source = source

    def tell(self) -> int:
        return self._meter.done

    def read(self, size: int) -> bytes:
        if not 0 <= size <= CHUNK:
            raise _refused(self._source, "has a header that is too long")
        data = self._stream.read(size)
        self._meter.add(len(data))
        self._report()
        return data

    def seek(self, position: int) -> None:
        if position < self.tell():
            raise _refused(self._source, "has a header that leads backwards")
        while position > self.tell() and self.read(min(CHUNK, position - self.tell())):
            pass

    def drain(self) -> None:
        """Read to the end, where gzip's checksum is."""
        while data := self.read(CHUNK):
            if data.strip(b"\0"):  # tarfile takes a broken header for the end
                raise _refused(self._source, "has a broken header")


def _refused(source: str, why: str) -> ArtifactRefused:
    return ArtifactRefused(f"{source} {why}.", _WAY_OUT)
