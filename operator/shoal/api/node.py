"""A Kubernetes Node, as far as placing looks at it."""

from pydantic import Field

from shoal.api.base import Wire

GPU_PRODUCT = "nvidia.com/gpu.product"
GPU_MEMORY = "nvidia.com/gpu.memory"
GPU_RESOURCE = "nvidia.com/gpu"


class Node(Wire):
    """Its labels (GPU Feature Discovery's among them) and what its kubelet offers to pods."""

    name: str
    labels: dict[str, str] = Field(default_factory=dict)
    allocatable: dict[str, str] = Field(default_factory=dict)
    unschedulable: bool = False
