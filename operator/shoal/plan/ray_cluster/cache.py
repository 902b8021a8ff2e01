"""Where workers keep the models that they fetched."""

from typing import Any

from shoal.api import Fleet
from shoal.plan.ray_cluster.environment import CACHE

CACHE_MOUNT = {"name": "cache", "mountPath": CACHE}


def cache_volume(fleet: Fleet) -> dict[str, Any]:
    """The volume, as the Fleet says. A folder of the node must be there, and its user's: one that
    the kubelet made would be root's.
    """
    cache = fleet.spec.cache
    if cache.persistent_volume_claim:
        claim = {"claimName": cache.persistent_volume_claim.claim_name}
        return {"name": "cache", "persistentVolumeClaim": claim}
    if cache.host_path:
        return {"name": "cache", "hostPath": {"path": cache.host_path.path, "type": "Directory"}}
    limit = {"sizeLimit": str(cache.empty_dir.size_limit)} if cache.empty_dir else {}
    return {"name": "cache", "emptyDir": limit}
