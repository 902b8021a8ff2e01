"""How many workers the Ray clusters of a Fleet may have, as far as it differs from its pools.

KubeRay does not carry other bounds of a RayService to a Ray cluster that is there, so it is told of
them itself. Ray's autoscaler sees to the workers, and it alone says which of them go:

- Below a new `min`, it starts workers at once.
- Above a new `min`, it takes away workers that were idle for its timeout (two minutes). One that
  holds a replica is not idle.
- Above a new `max`, it ends workers at once: first those that are not up yet, then those that were
  idle for longest, then those with most of their resources free, busy or not. Nothing is drained:
  what they had taken is asked again elsewhere, and their Models load on other workers, or wait.

`replicas` is the autoscaler's, and only moved into the new bounds. A lower number ends nobody: it
is the autoscaler that names the pods which go.
"""

from collections.abc import Iterator, Sequence

from shoal.api import Pool, RayCluster, WorkerGroup
from shoal.plan.observed import ObservedFleet


def resizings(observed: ObservedFleet) -> Iterator[tuple[RayCluster, Sequence[WorkerGroup]]]:
    """The Ray clusters whose bounds are not those of the Fleet's pools, of the one that serves and
    the one that an upgrade starts; and their groups as they should be.
    """
    pools = {pool.name: pool for pool in observed.fleet.spec.pools}
    for cluster in observed.ray_clusters:
        groups = tuple(_sized(group, pools.get(group.name)) for group in cluster.groups)
        if groups != cluster.groups and cluster.name in _in_use(observed):
            yield cluster, groups


def _in_use(observed: ObservedFleet) -> set[str]:
    """An old one stays a while beside them, to be deleted."""
    if observed.ray_service is None:
        return set()
    status = observed.ray_service.status
    told = (status.active_service_status, status.pending_service_status)
    return {one.ray_cluster_name for one in told}


def _sized(group: WorkerGroup, pool: Pool | None) -> WorkerGroup:
    """A pool that the Fleet has no more keeps its workers until the new Ray cluster serves."""
    if pool is None:
        return group
    least, most = pool.workers.min, pool.workers.max
    replicas = max(least, min(group.replicas, most))
    return WorkerGroup(name=group.name, min=least, max=most, replicas=replicas)
