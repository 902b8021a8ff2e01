"""The folder of resources that stands in for an API server.

It keeps manifests as people write them, by command or by hand, and beside each a record of what the
system says. Every change is written whole and under one lock, so any number of processes may share
a home. It decides nothing and knows nothing of Ray. Files that the machine refuses to read or write
are an `OSError`.
"""

from collections.abc import AsyncGenerator, Sequence
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Generic, Literal, NamedTuple

from shoal.api import Event, Model, parse_resource
from shoal.cluster import Key, Resource
from shoal.cluster.local.documents import dump
from shoal.cluster.local.events import counted, read_events, write_events
from shoal.cluster.local.files import leftovers, locked, write
from shoal.cluster.local.layout import DEFAULT_NAMESPACE, FOLDERS, Layout, key_of, make_key
from shoal.cluster.local.reading import read_manifest, read_record
from shoal.cluster.local.record import (
    Record,
    accepted,
    joined,
    manifest_of,
    same,
    settled,
    with_status,
)
from shoal.cluster.local.stamps import Stamps, stamps_of
from shoal.errors import InvalidResource

Problems = Sequence[InvalidResource]
Verb = Literal["created", "configured", "unchanged"]


class Applied(NamedTuple, Generic[Resource]):
    """The resource as it is now, and what was done to it, in kubectl's word."""

    resource: Resource
    verb: Verb


class Found(NamedTuple, Generic[Resource]):
    """A resource and its record, as they fit together."""

    resource: Resource
    record: Record


class Store:
    """The resources under one home folder, which need not exist yet."""

    namespace = DEFAULT_NAMESPACE

    def __init__(self, home: Path) -> None:
        self._layout = Layout(home.absolute())
        self._seen: dict[Key, tuple[Stamps, Found[Any]]] = {}
        self._sweep()

    def apply(self, resource: Resource) -> Applied[Resource]:
        """Create it, or bring its spec, labels and annotations to what is given."""
        kind, key = type(resource), key_of(resource)
        with self._locked():
            verb = self._verb(resource, key)
            if verb != "unchanged":
                write(self._layout.manifest(key), dump(manifest_of(resource)))
            found = self._settle(kind, key)
        now = joined(*found) if found else resource  # a person may remove the file at any moment
        return Applied(now, verb)

    def scale(self, model: Model, replicas: int) -> None:
        """Set how many replicas serve a Model.

        Raises:
            InvalidResource: the Model cannot have so many.
        """
        manifest = manifest_of(model)
        manifest["spec"]["replicas"] = replicas
        self.apply(parse_resource(manifest))

    def get(self, kind: type[Resource], namespace: str, name: str) -> Resource | None:
        """The resource with its status, or None.

        A manifest that makes no sense any more leaves the resource as it was last understood.

        Raises:
            InvalidResource: its manifest never made sense.
        """
        found = self._find(kind, make_key(kind.__name__, namespace, name))
        return joined(*found) if found else None

    def list(self, kind: type[Resource], namespace: str | None = None) -> list[Resource]:
        """Every resource of a kind, by namespace and name; `invalid` tells of the missing ones."""
        found = []
        for key in self._layout.keys(kind.__name__, namespace):
            try:
                one = self._find(kind, key)
            except InvalidResource:
                continue
            found += [joined(*one)] if one else []
        return found

    def invalid(
        self, kind: type[Resource], namespace: str | None = None
    ) -> Sequence[InvalidResource]:
        """What is wrong with manifests in the home folder, edited by hand."""
        problems = []
        for key in self._layout.keys(kind.__name__, namespace):
            try:
                read_manifest(kind, key, self._layout.manifest(key))
            except InvalidResource as problem:
                problems.append(problem)
        return problems

    def delete(self, kind: type[Resource], namespace: str, name: str) -> bool:
        """Whether it existed. Its status and its events go with it."""
        key = make_key(kind.__name__, namespace, name)
        with self._locked():
            existed = self._layout.manifest(key).exists()
            self._layout.manifest(key).unlink(missing_ok=True)
            self._forget(key)
        return existed

    def report(self, resource: Resource) -> None:
        """Write the status alone, if it is another one; a resource that is gone is not written."""
        key = key_of(resource)
        with self._locked():
            found = self._settle(type(resource), key)
            if found is None or resource.metadata.uid not in ("", found.record.metadata.uid):
                return
            status = resource.status.model_dump(mode="json", exclude_defaults=True)
            self._write_record(key, found.record, with_status(found.record, status))

    def record(self, event: Event) -> None:
        """Keep an event, or count it; of a resource that is gone nothing is kept."""
        key = make_key(event.kind, event.namespace, event.name)
        path = self._layout.events(key)
        with self._locked():
            if self._layout.manifest(key).exists():
                write_events(path, counted(read_events(path), event))

    def events(self, kind: type[Resource], namespace: str, name: str) -> Sequence[Event]:
        """What happened to a resource, oldest first."""
        return read_events(self._layout.events(make_key(kind.__name__, namespace, name)))

    def watch(self) -> AsyncGenerator[Key, None]:
        """Every key there is, then every key that changes (created, edited, reported, deleted)."""
        from shoal.cluster.local.watching import watch  # commands need no watchfiles

        return watch(self._layout)

    def _locked(self) -> AbstractContextManager[None]:
        return locked(self._layout.lock)

    def _verb(self, resource: Resource, key: Key) -> Verb:
        path = self._layout.manifest(key)
        try:
            before = read_manifest(type(resource), key, path)
        except InvalidResource:
            return "configured"
        if before is None:
            return "created"
        return "unchanged" if same(before, resource) else "configured"

    def _find(self, kind: type[Resource], key: Key) -> Found[Resource] | None:
        stamps = stamps_of(self._layout, key)
        if key in self._seen and self._seen[key][0] == stamps:
            return self._seen[key][1]
        found = self._read(kind, key)
        if found and stamps.certain:
            self._seen[key] = stamps, found
        return found

    def _read(self, kind: type[Resource], key: Key) -> Found[Resource] | None:
        """Read without the lock; take it only where there may be something to write."""
        record = read_record(kind, self._layout.status(key))
        try:
            said = read_manifest(kind, key, self._layout.manifest(key))
        except InvalidResource:
            said = None
        if said and record and settled(record, said, _now()) is record:
            return Found(said, record)
        if not record and not self._layout.manifest(key).exists():
            return None
        with self._locked():
            return self._settle(kind, key)

    def _settle(self, kind: type[Resource], key: Key) -> Found[Resource] | None:
        """Make the record fit the manifest; the lock is held."""
        before = read_record(kind, self._layout.status(key))
        try:
            said = read_manifest(kind, key, self._layout.manifest(key))
        except InvalidResource:
            last = accepted(before, kind) if before else None
            if before is None or last is None:
                raise
            return Found(last, before)
        if said is None:
            self._forget(key)
            return None
        record = settled(before, said, _now())
        self._write_record(key, before, record)
        return Found(said, record)

    def _write_record(self, key: Key, before: Record | None, record: Record) -> None:
        if record is not before:
            write(self._layout.status(key), dump(record.model_dump(mode="json")))

    def _forget(self, key: Key) -> None:
        self._layout.status(key).unlink(missing_ok=True)
        self._layout.events(key).unlink(missing_ok=True)

    def _sweep(self) -> None:
        folders = [self._layout.folder(kind) for kind in FOLDERS] + [self._layout.home / "events"]
        if any(leftovers(folder) for folder in folders):
            with self._locked():
                for path in (path for folder in folders for path in leftovers(folder)):
                    path.unlink(missing_ok=True)


def _now() -> datetime:
    return datetime.now(UTC)
