"""How a pool's GPUs are asked for. All of it follows from the pool's own words, not from what the
nodes say now: a node that comes or goes must not rebuild the Ray cluster.
"""

from typing import Any

from shoal.api import Pool
from shoal.api.fleet import PoolGpu
from shoal.api.node import GPU_PRODUCT, GPU_RESOURCE


def gpu_limits(pool: Pool) -> dict[str, str]:
    """The extended resource of one worker, if it has GPUs."""
    return {gpu_resource(pool.gpu): str(pool.gpu.count)} if pool.gpu else {}


def gpu_resource(gpu: PoolGpu) -> str:
    """What NVIDIA's device plugin calls these devices.

    With MIG strategy `mixed` every profile is a resource of its own. With `single` they are plain
    GPUs of a product whose name tells the profile: whoever names such a product means those.
    """
    if gpu.mig is None or "-MIG-" in (gpu.product or ""):
        return GPU_RESOURCE
    return f"nvidia.com/mig-{gpu.mig.replace('+', '.')}"


def gpu_placing(pool: Pool) -> dict[str, Any]:
    """What of the pod's spec brings it to nodes with these GPUs."""
    if pool.gpu is None:
        return {}
    selector = {GPU_PRODUCT: pool.gpu.product} if pool.gpu.product else {}
    toleration = {"key": GPU_RESOURCE, "operator": "Exists", "effect": "NoSchedule"}
    return {
        **({"nodeSelector": selector} if selector else {}),
        "tolerations": [toleration],
    }
