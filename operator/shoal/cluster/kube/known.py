"""Everything that is watched, and whom a change of it concerns.

Reading here costs no call. A Fleet is concerned by its pods, its Ray clusters and the objects that
it owns, and by all nodes; a Model by the labels of its namespace.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, cast

from shoal.api import Fleet, Model, Node, RayService
from shoal.api.labels import FLEET_LABEL
from shoal.cluster import Key, Resource
from shoal.cluster.kube.api import Api
from shoal.cluster.kube.informer import Informer, Pace
from shoal.cluster.kube.kinds import (
    FLEET,
    MODEL,
    NAMESPACE,
    NODE,
    OWNED,
    POD,
    RAY_CLUSTER,
    RAY_SERVICE,
    Kind,
)
from shoal.cluster.kube.reading import (
    FleetPod,
    FleetRayCluster,
    read_fleet,
    read_labels,
    read_model,
    read_node,
    read_owned,
    read_pod,
    read_ray_cluster,
    read_ray_service,
)
from shoal.cluster.kube.store import Name, Raw, Store, Unreadable
from shoal.errors import WorldUnavailable

Tell = Callable[[Key], None]
_Fleets = FleetPod | FleetRayCluster | None
KINDS: Mapping[type[Any], Kind] = {Model: MODEL, Fleet: FLEET, RayService: RAY_SERVICE}


class Known:
    """The stores, and the informers that keep them true. `tell` takes every key that changes."""

    def __init__(self, api: Api, pace: Pace, tell: Tell) -> None:
        self._tell = tell
        self.models: Store[Model] = Store(read_model, self._resource(MODEL))
        self.fleets: Store[Fleet] = Store(read_fleet, self._resource(FLEET))
        self.ray_services: Store[RayService] = Store(read_ray_service, self._resource(RAY_SERVICE))
        self.nodes: Store[Node] = Store(read_node, self._node)
        self.pods: Store[FleetPod] = Store(read_pod, self._of_fleet)
        self.ray_clusters: Store[FleetRayCluster] = Store(read_ray_cluster, self._of_fleet)
        self.labels: Store[Mapping[str, str]] = Store(read_labels, self._namespace)
        self.owned: Mapping[Kind, Store[Raw]] = {
            kind: Store(read_owned, self._owned_object) for kind in OWNED
        }
        stores: Mapping[Kind, Store[Any]] = {
            MODEL: self.models,
            FLEET: self.fleets,
            RAY_SERVICE: self.ray_services,
            NODE: self.nodes,
            POD: self.pods,
            RAY_CLUSTER: self.ray_clusters,
            NAMESPACE: self.labels,
            **self.owned,
        }
        labelled = {RAY_SERVICE, POD, RAY_CLUSTER, *OWNED}
        self.informers = {
            kind: Informer(
                api,
                kind,
                store,
                pace,
                self._every_fleet,
                label=FLEET_LABEL if kind in labelled else "",
                metadata_only=kind is NAMESPACE,
            )
            for kind, store in stores.items()
        }
        self._stores = stores

    def store(self, kind: type[Resource]) -> Store[Resource]:
        """The store of a kind of resource.

        Raises:
            WorldUnavailable: the kind was not looked at yet, or cannot be.
        """
        return cast("Store[Resource]", self.sure(KINDS[kind]))

    def sure(self, kind: Kind) -> Store[Any]:
        """As `store`, of any kind that is watched."""
        store = self._stores[kind]
        if not store.known:
            error = self.informers[kind].error
            raise error or WorldUnavailable(f"{kind.resource} were not looked at yet")
        return store

    def breaks_contract(self, key: Key) -> Unreadable | None:
        """A Model or Fleet that cannot be read, and why."""
        store = self.models if key.kind == MODEL.name else self.fleets
        return store.invalid.get(key[1:]) if key.kind in (MODEL.name, FLEET.name) else None

    async def settle(self) -> None:
        """Return once every kind was looked at, or is known not to be there or not for us, or is an
        optional one with which something is wrong.
        """
        for informer in self.informers.values():
            await informer.settled.wait()

    def resources(self) -> Iterator[Key]:
        """Every resource there is."""
        for fleet in self.fleets.all():
            yield Key(FLEET.name, "", fleet.metadata.name)
        for kind, store in ((RAY_SERVICE, self.ray_services), (MODEL, self.models)):
            for one in store.all():
                yield Key(kind.name, one.metadata.namespace or "", one.metadata.name)

    def uid(self, kind: str, namespace: str, name: str) -> str:
        """That of a resource, or nothing if it is gone."""
        store: Store[Any] = self.models if kind == MODEL.name else self.fleets
        found = store.find(namespace, name)
        return found.metadata.uid if found is not None else ""

    def _resource(self, kind: Kind) -> Callable[[Name, object, object], None]:
        def changed(name: Name, before: object, after: object) -> None:
            self._tell(Key(kind.name, *name))

        return changed

    def _node(self, name: Name, before: object, after: object) -> None:
        self._every_fleet()

    def _every_fleet(self) -> None:
        for fleet in self.fleets.all():
            self._tell(Key(FLEET.name, "", fleet.metadata.name))

    def _of_fleet(self, name: Name, before: _Fleets, after: _Fleets) -> None:
        for fleet in {one.fleet for one in (before, after) if one is not None}:
            self._tell(Key(FLEET.name, "", fleet))

    def _owned_object(self, name: Name, before: Raw | None, after: Raw | None) -> None:
        for one in (before, after):
            if one is not None:
                self._tell(Key(FLEET.name, "", one["metadata"]["labels"].get(FLEET_LABEL, "")))

    def _namespace(self, name: Name, before: object, after: object) -> None:
        for model in self.models.all(name[1]):
            self._tell(Key(MODEL.name, name[1], model.metadata.name))
