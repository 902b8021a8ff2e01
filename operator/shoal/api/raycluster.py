"""KubeRay's RayCluster, as far as its pods go."""

from shoal.api.base import Wire


class RayCondition(Wire):
    """A condition in KubeRay's words (`Ready`, `UpgradeInProgress`, `ReplicaFailure`, ...)."""

    type: str
    status: str = ""
    reason: str = ""
    message: str = ""


class RayClusterStatus(Wire):
    """What became of the pods."""

    desired_worker_replicas: int = 0
    ready_worker_replicas: int = 0
    conditions: tuple[RayCondition, ...] = ()


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
    status: RayClusterStatus = RayClusterStatus()
