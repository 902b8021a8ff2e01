"""What a worker of a pool offers to Ray's scheduler."""

import json

from shoal.api import Pool

# Far more than the replicas that a worker can hold, each of which takes a thousandth of one.
POOL_UNITS = 1_000_000
# What a worker keeps for Ray itself (raylet, agents, proxy, object store): a quarter, at most this.
MOST_KEPT_BYTES = 2**30


def pool_resource(pool: str) -> str:
    """The custom Ray resource that only the workers of a pool have: who asks for it lands there."""
    return f"shoal_pool_{pool}"


def offered_cpus(pool: Pool) -> int:
    """Whole processors, as Ray counts them for a node."""
    return max(1, int(pool.resources.cpu.value))


def offered_memory(pool: Pool) -> int:
    """The bytes that Models may reserve."""
    limit = int(pool.resources.memory.value)
    return limit - min(MOST_KEPT_BYTES, limit // 4)


def offered_gpus(pool: Pool) -> int:
    """GPUs, or MIG devices."""
    return pool.gpu.count if pool.gpu else 0


def quoted_resources(pool: str) -> str:
    """As both KubeRay's shell and Ray's autoscaler read it: JSON of whole numbers in quotes."""
    return f"'{json.dumps({pool_resource(pool): POOL_UNITS})}'"
