"""Ray's in-tree autoscaler, which KubeRay puts beside the head: it makes workers as replicas need
them, within each pool's bounds. It alone may talk to the API server.
"""

from copy import deepcopy
from typing import Any

from shoal.api import Fleet
from shoal.plan.ray_cluster.pod import TMP_MOUNT
from shoal.plan.ray_cluster.security import CONTAINER_SECURITY

# A worker that was just made for a Model is not taken away between two of its replicas.
IDLE_TIMEOUT_S = 120
SERVICE_ACCOUNT = "/var/run/secrets/kubernetes.io/serviceaccount"
TOKEN_SECONDS = 3607
# Ray's logs, which the autoscaler and the head share.
LOGS_MOUNT = {"name": "ray-logs", "mountPath": "/tmp/ray"}  # noqa: S108
LOGS: dict[str, Any] = {"name": "ray-logs", "emptyDir": {}}


def autoscaler_options(fleet: Fleet) -> dict[str, Any]:
    """KubeRay's `autoscalerOptions`."""
    return {
        "version": "v2",
        "idleTimeoutSeconds": IDLE_TIMEOUT_S,
        "imagePullPolicy": fleet.spec.ray.image_pull_policy,
        "resources": {
            "requests": {"cpu": "50m", "memory": "256Mi"},
            "limits": {"cpu": "500m", "memory": "1Gi"},
        },
        "securityContext": deepcopy(CONTAINER_SECURITY),
        "volumeMounts": [
            TMP_MOUNT,
            LOGS_MOUNT,
            {"name": "autoscaler-token", "mountPath": SERVICE_ACCOUNT, "readOnly": True},
        ],
    }


def token_volume() -> dict[str, Any]:
    """What Kubernetes would mount into every container, if it were let: token, CA, namespace."""
    namespace = {"path": "namespace", "fieldRef": {"fieldPath": "metadata.namespace"}}
    authority = {"name": "kube-root-ca.crt", "items": [{"key": "ca.crt", "path": "ca.crt"}]}
    token = {"path": "token", "expirationSeconds": TOKEN_SECONDS}
    sources = [
        {"serviceAccountToken": token},
        {"configMap": authority},
        {"downwardAPI": {"items": [namespace]}},
    ]
    return {"name": "autoscaler-token", "projected": {"sources": sources}}
