"""The cache: a model's files, fetched once per machine, verified, and shared by every replica."""

import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import TypeVar

from shoal.errors import ArtifactUnavailable, DigestMismatch
from shoal_serving.artifacts.archive import is_archive, unpack
from shoal_serving.artifacts.digest import parse_digest
from shoal_serving.artifacts.notes import Note, read_note, write_note
from shoal_serving.artifacts.sources import Fetched, Source
from shoal_serving.artifacts.store import Store, discard
from shoal_serving.artifacts.transfer import Progress
from shoal_serving.artifacts.uris import source_of

T = TypeVar("T")

_PAUSES = (1.0, 2.0, 4.0)  # seconds between tries
_RECIPE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,99}")


@dataclass(frozen=True)
class Artifact:
    """A model's files: a folder of read-only files, their digest, and their bytes in all."""

    folder: Path
    digest: str
    size: int


def _silent(step: str, done: int, total: int | None) -> None:
    """Report to nobody."""


@dataclass(frozen=True)
class _Request:
    """One call of `fetch`."""

    source: Source
    digest: str | None
    prefer: str | None
    note: Path
    progress: Progress


class Cache:
    """Artifacts below `root`. Blocking; safe for any number of threads and processes.

    Args:
        root: a folder of its own, on a local file system with room for the models.
        max_artifact_bytes: the most that one model may have, packed and unpacked.
        sleep: waits that many seconds between tries.
    """

    def __init__(
        self,
        root: Path,
        max_artifact_bytes: int = 64 << 30,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._store = Store(root.absolute())
        self._limit = max_artifact_bytes
        self._sleep = sleep

    def fetch(
        self,
        uri: str,
        digest: str | None = None,
        prefer: str | None = None,
        progress: Progress = _silent,
        authorization: str | None = None,
    ) -> Artifact:
        """The files that `uri` names now. An unchanged source is asked, but not fetched again.

        `digest` pins them: if the cache holds it the source is not touched, and other bytes are
        refused. `prefer`, a digest too, is taken if the cache holds it and forgotten if not. What
        was fetched with an `authorization` tells others nothing of the source.

        Raises:
            DigestMismatch: the source holds other bytes than the pinned ones.
            ArtifactNotFound: it is not there, or not for us.
            ArtifactRefused: unsafe, or too large.
            ArtifactUnavailable: the source or the disk failed; trying again may help.
        """
        source = source_of(uri, authorization)
        with self._store.disk_errors():
            key = _key("fetch", uri, *([authorization] if authorization else []))
            request = _Request(source, digest, prefer, self._store.notes(key), progress)
            return self._wanted(request) or self._fetch(request, key)

    def derive(self, artifact: Artifact, recipe: str, build: Callable[[Path], None]) -> Path:
        """A folder made from an artifact, once per digest and recipe, by `build(empty folder)`.

        What `build` raises is raised, and nothing is kept; an OSError is taken for the disk's.

        Raises:
            ArtifactUnavailable: the disk failed; trying again may help.
        """
        if not _RECIPE.fullmatch(recipe):
            raise ValueError(f"a recipe is a plain name, not {recipe!r}")
        place = self._store.derived(parse_digest(artifact.digest), recipe)
        with self._store.disk_errors():
            if not place.is_dir():
                self._build(_key("derive", artifact.digest, recipe), place, build)
        return place

    def _build(self, key: str, place: Path, build: Callable[[Path], None]) -> None:
        with self._store.workplace(key, waiting=lambda: None) as workplace:
            if place.is_dir():
                return
            folder = _emptied(workplace / "derived")
            build(folder)
            self._store.publish(folder, place)

    def _fetch(self, request: _Request, key: str) -> Artifact:
        self._store.sweep()
        before = read_note(request.note)
        waiting = partial(request.progress, "wait", 0, None)
        with self._store.workplace(key, waiting) as workplace:
            return (
                self._wanted(request)
                or self._current(request, before)
                or self._bring(request, workplace)
            )

    def _wanted(self, request: _Request) -> Artifact | None:
        wanted = request.digest or request.prefer
        return self._held(wanted, request.source) if wanted else None

    def _current(self, request: _Request, before: Note | None) -> Artifact | None:
        """What the last fetch brought, if the source still holds it; a pin has its own answer."""
        note = read_note(request.note)
        if note is None or request.digest:
            return None
        held = self._held(note.digest, request.source)
        if held is None or note != before:
            return held  # if held, another loader fetched it while this one waited
        state = note.state
        if state and self._try(lambda: request.source.unchanged(state)):
            return held
        return None

    def _bring(self, request: _Request, workplace: Path) -> Artifact:
        source = request.source
        fetched = self._try(lambda: source.fetch(workplace, self._limit, request.progress))
        if request.digest not in (None, fetched.digest):
            raise _mismatch(source, request.digest, fetched.digest)
        held = self._held(fetched.digest, source) or self._keep(request, fetched, workplace)
        write_note(request.note, fetched.digest, fetched.state)
        return held

    def _keep(self, request: _Request, fetched: Fetched, workplace: Path) -> Artifact:
        place = self._place(fetched.digest, request.source)
        self._store.publish(self._folder(request, fetched, workplace), place)
        return _artifact(place, fetched.digest)

    def _folder(self, request: _Request, fetched: Fetched, workplace: Path) -> Path:
        """The folder to publish: what came, unpacked, or with its one file in it."""
        if fetched.path.is_dir():
            return fetched.path
        name, folder = request.source.name, _emptied(workplace / "whole")
        if is_archive(name):
            return unpack(fetched.path, folder, self._limit, request.progress, request.source.shown)
        fetched.path.rename(folder / name)
        return folder

    def _held(self, digest: str, source: Source) -> Artifact | None:
        place = self._place(digest, source)
        return _artifact(place, digest) if place.is_dir() else None

    def _place(self, digest: str, source: Source) -> Path:
        return self._store.artifact(parse_digest(digest), source.name)

    def _try(self, attempt: Callable[[], T]) -> T:
        for pause in _PAUSES:
            try:
                return attempt()
            except ArtifactUnavailable:
                self._sleep(pause)
        return attempt()


def _artifact(folder: Path, digest: str) -> Artifact:
    size = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
    return Artifact(folder, digest, size)


def _mismatch(source: Source, pinned: str | None, found: str) -> DigestMismatch:
    return DigestMismatch(
        f"{source.shown} holds {found}, and {pinned} is pinned.",
        "If the new content is meant, write its digest in spec.source.digest; "
        "if not, put back the pinned content.",
    )


def _emptied(folder: Path) -> Path:
    discard(folder)
    folder.mkdir()
    return folder


def _key(*parts: str) -> str:
    return sha256("\n".join(parts).encode()).hexdigest()[:32]
