"""Where the head keeps what a new head must know: on a volume, in Redis, or nowhere.

With RocksDB every Ray cluster has a folder of its own on the Fleet's volume, because an upgrade
runs two heads. Before Ray starts, an init container makes that folder, waits until no GCS of an
earlier head holds it any more (one that is still dying would make the new one fail), and removes
the folders of Ray clusters that are long gone.
"""

from copy import deepcopy
from typing import Any

from shoal.api import Fleet
from shoal.api.labels import FLEET_LABEL, RAY_CLUSTER_LABEL, RAY_NODE_TYPE_LABEL
from shoal.plan.observed import ObservedFleet
from shoal.plan.ray_cluster.pod import TMP_MOUNT, image_of
from shoal.plan.ray_cluster.security import CONTAINER_SECURITY

FOLDER = "/var/lib/shoal/gcs"
ROCKSDB_ENVIRONMENT = {"RAY_gcs_storage": "rocksdb", "RAY_gcs_storage_path": f"{FOLDER}/rocksdb"}
ROCKSDB_MOUNT = {"name": "gcs", "mountPath": FOLDER, "subPathExpr": "$(RAY_CLUSTER_NAME)"}


def claim_name(fleet: Fleet) -> str:
    """The PersistentVolumeClaim of the head's RocksDB."""
    return f"{fleet.metadata.name}-gcs"


def has_rocks_db(fleet: Fleet) -> bool:
    """Whether the head's state is on a volume."""
    return fleet.spec.durability is not None and fleet.spec.durability.rocks_db is not None


def redis_options(fleet: Fleet) -> dict[str, Any] | None:
    """KubeRay's `gcsFaultToleranceOptions`, if the head's state is in Redis."""
    redis = fleet.spec.durability.redis if fleet.spec.durability is not None else None
    if redis is None:
        return None
    options: dict[str, Any] = {"redisAddress": redis.address}
    if redis.secret_name:
        key = {"name": redis.secret_name, "key": "password"}
        options["redisPassword"] = {"valueFrom": {"secretKeyRef": key}}
    return options


def rocksdb_volume(fleet: Fleet) -> dict[str, Any]:
    """The head's volume."""
    return {"name": "gcs", "persistentVolumeClaim": {"claimName": claim_name(fleet)}}


def rocksdb_init_container(observed: ObservedFleet) -> dict[str, Any]:
    """See `shoal_serving.gcs_folder`, which it runs."""
    cluster = {"fieldPath": f"metadata.labels['{RAY_CLUSTER_LABEL}']"}
    resources = {"cpu": "100m", "memory": "128Mi"}
    return {
        "name": "gcs-folder",
        "image": image_of(observed),
        "imagePullPolicy": observed.fleet.spec.ray.image_pull_policy,
        "command": ["python", "-m", "shoal_serving.gcs_folder", FOLDER, "$(RAY_CLUSTER_NAME)"],
        "env": [{"name": "RAY_CLUSTER_NAME", "valueFrom": {"fieldRef": cluster}}],
        "resources": {"requests": dict(resources), "limits": dict(resources)},
        "securityContext": deepcopy(CONTAINER_SECURITY),
        "volumeMounts": [TMP_MOUNT, {"name": "gcs", "mountPath": FOLDER}],
    }


def beside_the_other_head(fleet: Fleet) -> dict[str, Any]:
    """One machine at a time can mount the volume: an upgrade's second head goes where the first
    is.
    """
    labels = {FLEET_LABEL: fleet.metadata.name, RAY_NODE_TYPE_LABEL: "head"}
    term = {
        "labelSelector": {"matchLabels": labels},
        "topologyKey": "kubernetes.io/hostname",
    }
    return {"podAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [term]}}
