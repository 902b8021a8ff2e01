"""What the head's pod and the workers' pods have in common."""

from collections.abc import Mapping, Sequence
from copy import deepcopy
from typing import Any

from shoal.api import Quantity
from shoal.api.labels import FLEET_LABEL
from shoal.plan.observed import ObservedFleet
from shoal.plan.ray_cluster.security import CONTAINER_SECURITY, POD_SECURITY

# Requests go from HAProxy to replicas, so little lies in Ray's object store. It must fit in here.
SHARED_MEMORY = "256Mi"
# Of every `ray start`. There is no driver that the log monitor, a process of 80 MB, could tell what
# workers print; KubeRay drops a "false".
START_PARAMETERS: Mapping[str, str] = {
    "include-log-monitor": "0",
    "object-store-memory": str(128 * 2**20),
}

TMP_MOUNT = {"name": "tmp", "mountPath": "/tmp"}  # noqa: S108
SHARED_MEMORY_MOUNT = {"name": "shared-mem", "mountPath": "/dev/shm"}  # noqa: S108
TMP: dict[str, Any] = {"name": "tmp", "emptyDir": {}}
SHARED: dict[str, Any] = {
    "name": "shared-mem",
    "emptyDir": {"medium": "Memory", "sizeLimit": SHARED_MEMORY},
}


def image_of(observed: ObservedFleet) -> str:
    """The serving image of the Fleet."""
    image = observed.fleet.spec.ray.image or observed.site.image
    assert image is not None, "only a site that has pods has a RayCluster"
    return image


def ray_container(
    observed: ObservedFleet,
    name: str,
    asked: Mapping[str, str],
    ports: Mapping[str, int],
    environment: Sequence[Mapping[str, Any]],
    mounts: Sequence[Mapping[str, Any]],
) -> dict[str, Any]:
    """The container in which KubeRay starts Ray; its probes are added by who knows them."""
    return {
        "name": name,
        "image": image_of(observed),
        "imagePullPolicy": observed.fleet.spec.ray.image_pull_policy,
        "env": list(environment),
        "ports": [{"name": port, "containerPort": number} for port, number in ports.items()],
        "resources": {"requests": dict(asked), "limits": _limits(asked)},
        "securityContext": deepcopy(CONTAINER_SECURITY),
        "volumeMounts": [TMP_MOUNT, SHARED_MEMORY_MOUNT, *mounts],
    }


def pod_template(
    observed: ObservedFleet,
    container: Mapping[str, Any],
    volumes: Sequence[Mapping[str, Any]],
    grace_s: int,
    **more: Any,
) -> dict[str, Any]:
    """The template of a pod with that Ray container; `more` is more of its spec."""
    secrets = observed.fleet.spec.ray.image_pull_secrets
    spec = {
        # No pod asks the API server for anything, but for the head's autoscaler.
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "securityContext": deepcopy(POD_SECURITY),
        "terminationGracePeriodSeconds": grace_s,
        **({"imagePullSecrets": [{"name": name} for name in secrets]} if secrets else {}),
        "containers": [dict(container)],
        "volumes": [TMP, SHARED, *volumes],
        **more,
    }
    return {"metadata": {"labels": {FLEET_LABEL: observed.fleet.metadata.name}}, "spec": spec}


def asked_of(cpu: Quantity, memory: Quantity) -> dict[str, str]:
    """What a container asks of a machine."""
    return {"cpu": str(cpu), "memory": str(memory)}


def _limits(asked: Mapping[str, str]) -> dict[str, str]:
    """Processors are shared by what was asked for: a limit would make requests wait beside idle
    ones.
    """
    return {name: amount for name, amount in asked.items() if name != "cpu"}


def http_probe(port: int, path: str, *, period: int, timeout: int, failures: int) -> dict[str, Any]:
    """A probe by HTTP; times in seconds."""
    times = {"periodSeconds": period, "timeoutSeconds": timeout, "failureThreshold": failures}
    return {"httpGet": {"path": path, "port": port}, **times}
