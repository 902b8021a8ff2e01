"""KubeRay's RayCluster, as far as the numbers of its workers go."""

from shoal.api.base import Wire


class WorkerGroup(Wire):
    """How many workers a pool has: the fewest, the most, and as many as there should be now."""

    name: str
    min: int
    max: int
    replicas: int


class RayCluster(Wire):
    """One Ray cluster of a Fleet, with its worker groups in KubeRay's order."""

    namespace: str
    name: str
    groups: tuple[WorkerGroup, ...] = ()
