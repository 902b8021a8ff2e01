"""What a drained node may take: PodDisruptionBudgets.

KubeRay's pods have no scale that Kubernetes could ask for, so budgets say how many must stay.

The head has none. Where its state is kept, a new head carries on; where it is not, all workers go
with it, and models load anew. A budget could not prevent that: it could only make a drain endless.
"""

from shoal.api.labels import HEAD_GROUP
from shoal.plan.observed import ObservedFleet
from shoal.plan.owned.manifest import Manifest
from shoal.plan.owned.names import pods_of


def disruption_budgets(observed: ObservedFleet) -> list[Manifest]:
    """Workers go one at a time: the next one once its successor is ready, or found no place.

    A Fleet with a single worker has no budget for it: it could not make a drain safe, only endless.
    """
    workers = max(sum(pool.workers.min for pool in observed.fleet.spec.pools), _running(observed))
    return [_workers(observed, workers - 1)] if workers > 1 else []


def _running(observed: ObservedFleet) -> int:
    """Those that are being started count too, unless something is in their way."""
    workers = (pod for pod in observed.pods if pod.group != HEAD_GROUP)
    return sum(pod.ready or not pod.problem for pod in workers)


def _workers(observed: ObservedFleet, stay: int) -> Manifest:
    fleet = observed.fleet
    spec = {
        "minAvailable": stay,
        "selector": {"matchLabels": pods_of(fleet, "worker")},
        # A worker that takes no requests is missed by nobody.
        "unhealthyPodEvictionPolicy": "AlwaysAllow",
    }
    name = f"{fleet.metadata.name}-workers"
    return Manifest("policy/v1", "PodDisruptionBudget", name, {"spec": spec})
