"""KubeRay's `rayClusterConfig` of a Fleet."""

from typing import Any

from shoal.plan.observed import ObservedFleet
from shoal.plan.owned.names import token_name
from shoal.plan.ray_cluster.autoscaler import autoscaler_options
from shoal.plan.ray_cluster.durability import redis_options
from shoal.plan.ray_cluster.head import head_group
from shoal.plan.ray_cluster.replicas import with_replicas
from shoal.plan.ray_cluster.workers import worker_group


def ray_cluster_config(observed: ObservedFleet) -> dict[str, Any]:
    """The Ray cluster, for a site that has pods. Pools are worker groups in the order in which the
    Fleet names them: one more at the end joins the cluster that is there.
    """
    fleet = observed.fleet
    redis = redis_options(fleet)
    config = {
        "rayVersion": fleet.spec.ray.version,
        "authOptions": {"mode": "token", "secretName": token_name(fleet)},
        **({"gcsFaultToleranceOptions": redis} if redis else {}),
        "enableInTreeAutoscaling": True,
        "autoscalerOptions": autoscaler_options(fleet),
        "headGroupSpec": head_group(observed),
        "workerGroupSpecs": [
            worker_group(observed, pool, pool.workers.min) for pool in fleet.spec.pools
        ],
    }
    return with_replicas(observed, config)
