"""The world, as the controllers see it: the only code that talks to Kubernetes or Ray.

`kube` is Kubernetes with KubeRay, `local` a laptop (a folder of YAML and Ray Serve on this
machine), `memory` is for tests. A Cluster stores, watches and carries; it decides nothing.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any, NamedTuple, Protocol, TypeVar

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

Resource = TypeVar("Resource", bound=Model | Fleet | RayService)


class Key(NamedTuple):
    """Which resource; `namespace` is empty for a Fleet."""

    kind: str
    namespace: str
    name: str


Manifest = Mapping[str, Any]
"""A Kubernetes object that a Fleet owns beside its RayService, as server-side apply takes it."""


class Cluster(Protocol):
    """Resources, their statuses, and what the replicas say. Methods raise `WorldUnavailable`."""

    async def get(self, kind: type[Resource], namespace: str, name: str) -> Resource | None:
        """The resource with its status, or None."""

    async def list(self, kind: type[Resource], namespace: str | None = None) -> list[Resource]:
        """Every resource of a kind, by namespace and name."""

    async def unreadable_models(self) -> Sequence[tuple[str, str]]:
        """Namespace and name of the Models that break the contract of this version."""

    async def models_of(self, fleet: str) -> Sequence[Model]:
        """The Models that name a Fleet, by namespace and name."""

    async def apply(self, resource: Resource) -> Resource:
        """Create it or bring its spec to what is given; the status is left alone.

        Nothing is written if it is like that already.
        """

    async def keep(self, fleet: Fleet, manifests: Sequence[Manifest]) -> None:
        """Bring the objects that a Fleet owns beside its RayService to what is given.

        Nothing is written for those that are like that already; owned ones that are not given are
        deleted. A laptop has none of them.
        """

    async def resize(self, cluster: RayCluster, groups: Sequence[WorkerGroup]) -> None:
        """Change those numbers of a Ray cluster, as it was read, that its groups have otherwise.

        One that is gone, or has other groups by now, is left alone: a watch tells of it.
        """

    async def collect(self, fleet: str) -> None:
        """Remove what a Fleet that is gone owned, where no garbage collector does."""

    async def report(self, resource: Resource) -> None:
        """Write the status alone; a resource that is gone is not written."""

    async def record(self, event: Event) -> None:
        """Tell people of a transition."""

    def watch(self) -> AsyncIterator[Key]:
        """Every key there is, then every key that changes or whose surroundings do."""

    async def nodes(self) -> Sequence[Node]:
        """The machines that pods may run on; none on a laptop."""

    async def pods(self, fleet: Fleet) -> Sequence[Pod]:
        """The pods of a Fleet; none on a laptop."""

    async def ray_clusters(self, fleet: Fleet) -> Sequence[RayCluster]:
        """The Ray clusters that KubeRay made for a Fleet; none on a laptop."""

    async def namespace_labels(self, namespace: str) -> Mapping[str, str]:
        """The labels of a namespace; none if it has none, or on a laptop."""

    async def secret(self, namespace: str, name: str) -> Mapping[str, str] | None:
        """The data of a Secret, base64 as it is stored, or None if there is none.

        Raises:
            AccessDenied: the operator may not read Secrets there.
        """

    async def ledger(self, fleet: str) -> Ledger | None:
        """What the replicas of a Fleet say, or None while the Fleet does not answer."""

    async def reachable(self, fleet: str) -> bool:
        """What the last probe of the Fleet's own address saw."""

    async def answers(self, url: str) -> bool:
        """Whether a GET of the address gives 200."""

    def site(self, fleet: Fleet) -> Site:
        """Where the Fleet's Ray runs and how it is reached."""
