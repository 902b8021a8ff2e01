"""A `Cluster` in memory, for tests: an API server's manners, and a world that a test describes.

Resources are kept as JSON, as an API server keeps them, so what cannot be written and read back
unchanged shows. Every write is counted; nothing here decides or waits.
"""

import asyncio
import itertools
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, cast

from pydantic import BaseModel

from shoal.api import (
    Event,
    Fleet,
    Ledger,
    Model,
    Node,
    Pod,
    RayCluster,
    RayService,
    Site,
    WorkerGroup,
)
from shoal.api.labels import CREATE_ONLY
from shoal.cluster import Key, Manifest, Resource

SITE_NAMESPACE = "shoal-system"


class MemoryCluster:
    """Implements `shoal.cluster.Cluster`.

    `writes` counts by verb what changed anything; `events` holds what was recorded, and `asked` the
    addresses that were asked, in their order; `kept` has the objects that Fleets own. The `set_`
    methods describe the world.
    """

    def __init__(self) -> None:
        self.writes: Counter[str] = Counter()
        self.events: list[Event] = []
        self.asked: list[str] = []
        self.kept: dict[str, list[dict[str, Any]]] = {}
        self._texts: dict[Key, str] = {}
        self._versions = itertools.count(1)
        self._watchers: set[asyncio.Queue[Key]] = set()
        self._ledgers: dict[str, Ledger] = {}
        self._reachable: set[str] = set()
        self._answering: set[str] = set()
        self._unreadable: set[tuple[str, str]] = set()
        self._nodes: tuple[Node, ...] = ()
        self._pods: dict[str, tuple[Pod, ...]] = {}
        self._ray_clusters: dict[str, tuple[RayCluster, ...]] = {}
        self._labels: dict[str, Mapping[str, str]] = {}
        self._secrets: dict[tuple[str, str], Mapping[str, str]] = {}

    async def get(self, kind: type[Resource], namespace: str, name: str) -> Resource | None:
        return self._read(kind, _key(kind, namespace, name))

    async def list(self, kind: type[Resource], namespace: str | None = None) -> list[Resource]:
        keys = sorted(key for key in self._texts if key.kind == kind.__name__)
        chosen = (key for key in keys if namespace is None or key.namespace == namespace)
        return [resource for key in chosen if (resource := self._read(kind, key))]

    async def unreadable_models(self) -> Sequence[tuple[str, str]]:
        return sorted(self._unreadable)

    def make_unreadable(self, namespace: str, name: str) -> None:
        """A Model says from now on what this version does not know."""
        key = _key(Model, namespace, name)
        self._texts.pop(key)
        self._unreadable.add((namespace, name))
        self._tell(key)

    async def models_of(self, fleet: str) -> Sequence[Model]:
        return [model for model in await self.list(Model) if model.spec.fleet == fleet]

    async def apply(self, resource: Resource) -> Resource:
        kind, key = type(resource), _key_of(resource)
        before = self._read(kind, key)
        if before is None:
            return self._write("apply", key, _born(resource, next(self._versions)))
        return self._write("apply", key, _brought_to(before, resource))

    async def keep(self, fleet: Fleet, manifests: Sequence[Manifest]) -> None:
        name = fleet.metadata.name
        kept = [_kept(one, self.kept.get(name, ())) for one in manifests]
        if self.kept.get(name) != kept:
            self.writes["keep"] += 1
            self.kept[name] = kept

    async def resize(self, cluster: RayCluster, groups: Sequence[WorkerGroup]) -> None:
        resized = cluster.model_copy(update={"groups": tuple(groups)})
        for fleet, known in self._ray_clusters.items():
            now = tuple(resized if one == cluster else one for one in known)
            if now != known:
                self.writes["resize"] += 1
                self._ray_clusters[fleet] = now

    async def collect(self, fleet: str) -> None:
        self.kept.pop(fleet, None)
        await self.delete(RayService, SITE_NAMESPACE, fleet)

    async def delete(self, kind: type[Resource], namespace: str, name: str) -> bool:
        """As a person deletes; whether it existed."""
        key = _key(kind, namespace, name)
        if self._texts.pop(key, None) is None:
            return False
        self.writes["delete"] += 1
        self._tell(key)
        return True

    async def report(self, resource: Resource) -> None:
        key = _key_of(resource)
        now = self._read(type(resource), key)
        if now is not None and resource.metadata.uid in ("", now.metadata.uid):
            self._write("report", key, _with(now, status=resource.status))

    async def record(self, event: Event) -> None:
        self.writes["record"] += 1
        self.events.append(event)

    async def watch(self) -> AsyncIterator[Key]:
        queue: asyncio.Queue[Key] = asyncio.Queue()
        self._watchers.add(queue)
        try:
            for key in sorted(self._texts):
                yield key
            while True:
                yield await queue.get()
        finally:
            self._watchers.discard(queue)

    async def ledger(self, fleet: str) -> Ledger | None:
        return self._ledgers.get(fleet)

    async def reachable(self, fleet: str) -> bool:
        return fleet in self._reachable

    async def answers(self, url: str) -> bool:
        self.asked.append(url)
        return any(url.startswith(f"{base}/") for base in self._answering)

    async def nodes(self) -> Sequence[Node]:
        return self._nodes

    async def pods(self, fleet: Fleet) -> Sequence[Pod]:
        return self._pods.get(fleet.metadata.name, ())

    async def ray_clusters(self, fleet: Fleet) -> Sequence[RayCluster]:
        return self._ray_clusters.get(fleet.metadata.name, ())

    async def namespace_labels(self, namespace: str) -> Mapping[str, str]:
        return self._labels.get(namespace, {})

    async def secret(self, namespace: str, name: str) -> Mapping[str, str] | None:
        if (namespace, name) in self._secrets:
            return self._secrets[namespace, name]
        kept = (one for objects in self.kept.values() for one in objects)
        of_a_fleet = (one["data"] for one in kept if _identity(one) == ("Secret", name))
        return next(of_a_fleet, None) if namespace == SITE_NAMESPACE else None

    def site(self, fleet: Fleet) -> Site:
        name = fleet.metadata.name
        address = f"http://{name}.test:8000"
        return Site(namespace=SITE_NAMESPACE, host="127.0.0.1", port=8000, address=address)

    def set_ledger(self, fleet: str, ledger: Ledger | None) -> None:
        """What the replicas of a Fleet say from now on; None makes the ledger silent."""
        self._ledgers.pop(fleet, None)
        if ledger is not None:
            self._ledgers[fleet] = ledger
        self._tell(Key(Fleet.__name__, "", fleet))

    def set_reachable(self, fleet: str, reachable: bool = True) -> None:
        """Whether the Fleet's own address answers from now on."""
        (self._reachable.add if reachable else self._reachable.discard)(fleet)
        self._tell(Key(Fleet.__name__, "", fleet))

    def set_nodes(self, *nodes: Node) -> None:
        """The machines that there are from now on. Nobody is told."""
        self._nodes = nodes

    def set_pods(self, fleet: str, *pods: Pod) -> None:
        """The pods of a Fleet from now on. Nobody is told."""
        self._pods[fleet] = pods

    def set_ray_clusters(self, fleet: str, *clusters: RayCluster) -> None:
        """The Ray clusters of a Fleet from now on. Nobody is told."""
        self._ray_clusters[fleet] = clusters

    def set_secret(self, namespace: str, name: str, data: Mapping[str, str]) -> None:
        """What a Secret holds from now on, base64. Nobody is told."""
        self._secrets[namespace, name] = data

    def set_namespace(self, namespace: str, labels: Mapping[str, str]) -> None:
        """The labels of a namespace from now on. Nobody is told."""
        self._labels[namespace] = labels

    def set_answers(self, base: str, answers: bool = True) -> None:
        """Whether the addresses below a base answer from now on. Nobody is told, as in life."""
        (self._answering.add if answers else self._answering.discard)(base)

    def _read(self, kind: type[Resource], key: Key) -> Resource | None:
        text = self._texts.get(key)
        return None if text is None else cast("Resource", _parsed(cast("Any", kind), text))

    def _write(self, verb: str, key: Key, resource: Resource) -> Resource:
        """Count it and tell the watchers, if it is another than before."""
        if self._read(type(resource), key) == resource:
            return resource
        self.writes[verb] += 1
        written = _with_metadata(resource, resource_version=str(next(self._versions)))
        self._texts[key] = written.model_dump_json()
        self._tell(key)
        return written

    def _tell(self, key: Key) -> None:
        for queue in self._watchers:
            queue.put_nowait(key)


@lru_cache(maxsize=4096)  # What is read cannot be changed, and tests have many Models.
def _parsed(kind: type[BaseModel], text: str) -> BaseModel:
    return kind.model_validate_json(text)


def _kept(manifest: Manifest, before: Sequence[Manifest]) -> dict[str, Any]:
    """What is created only stays as it was."""
    wanted = dict(manifest)
    if CREATE_ONLY not in wanted["metadata"].get("annotations", {}):
        return wanted
    same = (one for one in before if _identity(one) == _identity(wanted))
    return dict(next(same, wanted))


def _identity(manifest: Manifest) -> tuple[str, str]:
    return manifest["kind"], manifest["metadata"]["name"]


def _key(kind: type[Resource], namespace: str, name: str) -> Key:
    return Key(kind.__name__, "" if kind is Fleet else namespace, name)


def _key_of(resource: Resource) -> Key:
    meta = resource.metadata
    return _key(type(resource), meta.namespace or "", meta.name)


def _born(resource: Resource, number: int) -> Resource:
    """As created: each a second after the one before."""
    created = datetime.fromtimestamp(number, UTC)
    return _with_metadata(
        _with(resource, status=type(resource.status)()),
        uid=f"uid-{number}",
        generation=1,
        creation_timestamp=created,
    )


def _brought_to(now: Resource, wanted: Resource) -> Resource:
    """A changed spec is a new generation; the status and who it is stay."""
    meta = wanted.metadata
    return _with_metadata(
        _with(now, spec=wanted.spec),
        labels=meta.labels,
        annotations=meta.annotations,
        generation=now.metadata.generation + (now.spec != wanted.spec),
    )


def _with_metadata(resource: Resource, **changes: Any) -> Resource:
    return _with(resource, metadata=resource.metadata.model_copy(update=changes))


def _with(resource: Resource, **changes: Any) -> Resource:
    return cast("Resource", resource.model_copy(update=changes))
