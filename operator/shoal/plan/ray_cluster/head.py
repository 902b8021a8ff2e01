"""The head: it coordinates, holds no replicas, and may go and come again without a request lost."""

from typing import Any

from shoal.plan.observed import ObservedFleet
from shoal.plan.ray_cluster.autoscaler import LOGS, LOGS_MOUNT, token_volume
from shoal.plan.ray_cluster.durability import (
    ROCKSDB_ENVIRONMENT,
    ROCKSDB_MOUNT,
    beside_the_other_head,
    has_rocks_db,
    rocksdb_init_container,
    rocksdb_volume,
)
from shoal.plan.ray_cluster.environment import ray_environment
from shoal.plan.ray_cluster.pod import (
    START_PARAMETERS,
    asked_of,
    http_probe,
    pod_template,
    ray_container,
)
from shoal.plan.ray_cluster.ports import AGENT, HEAD_PORTS
from shoal.plan.ray_cluster.template import head_template

# Nobody is served by it, and every second that it lingers is one in which there is no head.
GRACE_S = 5
HEALTH = "/api/healthz"


def head_group(observed: ObservedFleet) -> dict[str, Any]:
    """KubeRay's `headGroupSpec`."""
    return {
        "rayStartParams": {
            "dashboard-host": "0.0.0.0",  # noqa: S104  for KubeRay; NetworkPolicy and token guard it
            "num-cpus": "0",
            "num-gpus": "0",
            **START_PARAMETERS,
        },
        # An address that stays: workers find a new head at once, not when their DNS is asked anew.
        "headService": {"metadata": {}, "spec": {"publishNotReadyAddresses": True}},
        "template": head_template(_ours(observed), observed.fleet.spec.head.template),
    }


def _ours(observed: ObservedFleet) -> dict[str, Any]:
    fleet = observed.fleet
    if not has_rocks_db(fleet):
        return pod_template(observed, _container(observed, {}, []), [LOGS, token_volume()], GRACE_S)
    return pod_template(
        observed,
        _container(observed, ROCKSDB_ENVIRONMENT, [ROCKSDB_MOUNT]),
        [LOGS, token_volume(), rocksdb_volume(fleet)],
        GRACE_S,
        initContainers=[rocksdb_init_container(observed)],
        affinity=beside_the_other_head(fleet),
    )


def _container(
    observed: ObservedFleet, environment: dict[str, str], mounts: list[dict[str, str]]
) -> dict[str, Any]:
    resources = observed.fleet.spec.head.resources
    container = ray_container(
        observed,
        "ray-head",
        asked_of(resources.cpu, resources.memory),
        HEAD_PORTS,
        ray_environment(resources.cpu, environment),
        [LOGS_MOUNT, *mounts],
    )
    # The agent asks its raylet and the GCS beside it. Only what stays broken for two minutes is
    # ended: a busy machine is no reason.
    return container | {
        "startupProbe": http_probe(AGENT, HEALTH, period=2, timeout=5, failures=150),
        "readinessProbe": http_probe(AGENT, HEALTH, period=2, timeout=5, failures=3),
        "livenessProbe": http_probe(AGENT, HEALTH, period=10, timeout=5, failures=12),
    }
