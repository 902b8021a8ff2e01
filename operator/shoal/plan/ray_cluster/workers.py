"""The workers of a pool: they hold the replicas, and every one of them takes requests."""

from typing import Any

from shoal.api import Fleet, Pool
from shoal.api.labels import (
    FLEET_LABEL,
    RAY_CLUSTER_LABEL,
    RAY_GROUP_LABEL,
    RAY_NODE_TYPE_LABEL,
)
from shoal.plan.observed import ObservedFleet
from shoal.plan.owned.names import credentials_name
from shoal.plan.ray_cluster.cache import CACHE_MOUNT, cache_volume
from shoal.plan.ray_cluster.environment import CREDENTIALS, RECONNECT, ray_environment
from shoal.plan.ray_cluster.gpu import gpu_limits, gpu_placing
from shoal.plan.ray_cluster.offers import (
    offered_cpus,
    offered_gpus,
    offered_memory,
    quoted_resources,
)
from shoal.plan.ray_cluster.pod import (
    START_PARAMETERS,
    asked_of,
    http_probe,
    pod_template,
    ray_container,
)
from shoal.plan.ray_cluster.ports import AGENT, SERVE, WORKER_PORTS
from shoal.plan.ray_cluster.template import worker_template
from shoal.plan.serve_config import DRAIN_S

# A worker that goes sends its clients to others first, then finishes what it took.
LEAVE_S = 10
GRACE_S = LEAVE_S + DRAIN_S + 30
CREDENTIALS_MOUNT = {"name": "credentials", "mountPath": CREDENTIALS, "readOnly": True}
READABLE_BY_ITS_GROUP = 0o440


def worker_group(observed: ObservedFleet, pool: Pool, replicas: int) -> dict[str, Any]:
    """One of KubeRay's `workerGroupSpecs`, with that many workers to begin with."""
    return {
        "groupName": pool.name,
        "replicas": replicas,
        "minReplicas": pool.workers.min,
        "maxReplicas": pool.workers.max,
        "rayStartParams": {
            "num-cpus": str(offered_cpus(pool)),
            "num-gpus": str(offered_gpus(pool)),
            "memory": str(offered_memory(pool)),
            **START_PARAMETERS,
            "resources": quoted_resources(pool.name),
        },
        "template": worker_template(_ours(observed, pool), pool.template),
    }


def _ours(observed: ObservedFleet, pool: Pool) -> dict[str, Any]:
    fleet = observed.fleet
    return pod_template(
        observed,
        _container(observed, pool),
        [cache_volume(fleet), _credentials_volume(fleet)],
        GRACE_S,
        topologySpreadConstraints=[_over_machines(fleet)],
        **gpu_placing(pool),
    )


def _container(observed: ObservedFleet, pool: Pool) -> dict[str, Any]:
    resources = pool.resources
    environment = {**RECONNECT, "SHOAL_CREDENTIALS": CREDENTIALS}
    container = ray_container(
        observed,
        "ray-worker",
        asked_of(resources.cpu, resources.memory) | gpu_limits(pool),
        WORKER_PORTS,
        ray_environment(resources.cpu, environment),
        [CACHE_MOUNT, CREDENTIALS_MOUNT],
    )
    # Neither asks the GCS: a head that is away must cost no worker.
    return container | {
        "lifecycle": {"preStop": {"exec": {"command": ["shoal-leave", str(LEAVE_S)]}}},
        "readinessProbe": http_probe(SERVE, "/-/healthz", period=2, timeout=2, failures=2),
        "livenessProbe": {
            "tcpSocket": {"port": AGENT},
            "initialDelaySeconds": 60,
            "periodSeconds": 10,
            "timeoutSeconds": 5,
            "failureThreshold": 6,
        },
    }


def _credentials_volume(fleet: Fleet) -> dict[str, Any]:
    secret = {
        "secretName": credentials_name(fleet),
        "optional": True,
        "defaultMode": READABLE_BY_ITS_GROUP,
    }
    return {"name": "credentials", "secret": secret}


def _over_machines(fleet: Fleet) -> dict[str, Any]:
    labels = {FLEET_LABEL: fleet.metadata.name, RAY_NODE_TYPE_LABEL: "worker"}
    return {
        "maxSkew": 1,
        "topologyKey": "kubernetes.io/hostname",
        "whenUnsatisfiable": "ScheduleAnyway",
        "labelSelector": {"matchLabels": labels},
        "matchLabelKeys": [RAY_CLUSTER_LABEL, RAY_GROUP_LABEL],
    }
