"""What a drained node may take: PodDisruptionBudgets.

KubeRay's pods have no scale that Kubernetes could ask for, so budgets say how many must stay.
"""

from shoal.api import Fleet
from shoal.plan.owned.manifest import Manifest
from shoal.plan.owned.names import pods_of

# Never reached, not even by the two heads of an upgrade: no head is ever evicted.
MORE_THAN_ANY_HEADS = 3


def disruption_budgets(fleet: Fleet) -> list[Manifest]:
    """Workers go one at a time. A head goes freely where its state is kept; elsewhere it would take
    all workers with it.

    A Fleet with a single worker has no budget for it: it could not make a drain safe, only endless.
    """
    workers = sum(pool.workers.min for pool in fleet.spec.pools)
    return [
        *([_budget(fleet, "worker", "workers", workers - 1)] if workers > 1 else ()),
        *(() if fleet.spec.durability else [_budget(fleet, "head", "head", MORE_THAN_ANY_HEADS)]),
    ]


def _budget(fleet: Fleet, node_type: str, suffix: str, stay: int) -> Manifest:
    spec = {
        "minAvailable": stay,
        "selector": {"matchLabels": pods_of(fleet, node_type)},
        # A worker that takes no requests is missed by nobody.
        "unhealthyPodEvictionPolicy": "AlwaysAllow",
    }
    name = f"{fleet.metadata.name}-{suffix}"
    return Manifest("policy/v1", "PodDisruptionBudget", name, {"spec": spec})
