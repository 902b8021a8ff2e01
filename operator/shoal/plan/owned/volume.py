"""The volume of the head's RocksDB. It goes with the Fleet."""

from shoal.api import Fleet
from shoal.plan.owned.manifest import Manifest
from shoal.plan.ray_cluster.durability import claim_name


def state_claim(fleet: Fleet) -> Manifest | None:
    """The claim, if the Fleet keeps its head's state on a volume."""
    rocks_db = fleet.spec.durability.rocks_db if fleet.spec.durability else None
    if rocks_db is None:
        return None
    name = rocks_db.storage_class_name
    spec = {
        "accessModes": ["ReadWriteOnce"],
        "resources": {"requests": {"storage": str(rocks_db.size)}},
        **({"storageClassName": name} if name else {}),
    }
    return Manifest("v1", "PersistentVolumeClaim", claim_name(fleet), {"spec": spec})
