"""Writing the bounds of a Ray cluster's worker groups, and nothing else of it.

The Ray cluster is KubeRay's and its autoscaler's. A JSON patch changes single numbers under both of
them; it tests first that each group still is where it was.
"""

from collections.abc import Sequence
from typing import Any

from shoal.api import RayCluster, WorkerGroup
from shoal.cluster.kube.answers import Refused, is_gone
from shoal.cluster.kube.api import FIELD_MANAGER, JSON_PATCH, Api
from shoal.cluster.kube.kinds import RAY_CLUSTER
from shoal.cluster.kube.store import Raw

_FIELDS = {"min": "minReplicas", "max": "maxReplicas", "replicas": "replicas"}


async def write_sizes(api: Api, cluster: RayCluster, groups: Sequence[WorkerGroup]) -> Raw | None:
    """Change what differs between the cluster, as it was read, and these groups of it; the server's
    answer. None if it is gone or has other groups by now.

    Raises:
        WorldUnavailable: the server refused otherwise, or did not answer.
    """
    pairs = zip(cluster.groups, groups, strict=True)
    body = [step for at, (old, new) in enumerate(pairs) for step in _steps(at, old, new)]
    query = {"fieldManager": FIELD_MANAGER}
    name = (cluster.namespace, cluster.name)
    try:
        answer: Raw = await api.call(
            "patch", RAY_CLUSTER, *name, query=query, body=body, content_type=JSON_PATCH
        )
    except Refused as error:
        if is_gone(error):
            return None
        raise
    return answer


def _steps(at: int, old: WorkerGroup, new: WorkerGroup) -> list[dict[str, Any]]:
    path = f"/spec/workerGroupSpecs/{at}"
    changes = [
        {"op": "add", "path": f"{path}/{field}", "value": getattr(new, ours)}
        for ours, field in _FIELDS.items()
        if getattr(new, ours) != getattr(old, ours)
    ]
    test = {"op": "test", "path": f"{path}/groupName", "value": old.name}
    return [test, *changes] if changes else []
