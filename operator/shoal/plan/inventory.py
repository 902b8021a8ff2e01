"""What the pools of a Fleet are made of, by the labels and capacities of the cluster's nodes.

GPU Feature Discovery labels nodes with the product and memory of their GPUs; where GPUs are divided
by MIG's `mixed` strategy, each profile has labels and a resource of its own, and by its `single`
strategy the product says so (`NVIDIA-A100-SXM4-40GB-MIG-1g.5gb`). What is known of a pool's GPUs is
kept while its nodes are away, so that a pool that was scaled to zero can still be placed on.
"""

from collections.abc import Iterable, Mapping
from decimal import Decimal

from shoal.api import Fleet, Node, Pool, PoolInventory, Quantity
from shoal.api.fleet import PoolGpu
from shoal.api.node import GPU_MEMORY, GPU_PRODUCT, GPU_RESOURCE
from shoal.plan.ray_cluster.gpu import gpu_resource

_MIG = "-MIG-"


def inventory(fleet: Fleet, nodes: Iterable[Node]) -> tuple[PoolInventory, ...]:
    """One entry for each pool, in the Fleet's order."""
    known = {one.name: one for one in fleet.status.inventory}
    seen = tuple(nodes)
    return tuple(_of_pool(pool, seen, known.get(pool.name)) for pool in fleet.spec.pools)


def mig_of(product: str) -> str | None:
    """The MIG profile that a product's name ends with, if it is of divided GPUs."""
    return product.rpartition(_MIG)[2].replace(".me", "+me") if _MIG in product else None


def undivided(product: str) -> str:
    """The product's name without its MIG profile."""
    return product.partition(_MIG)[0]


def _of_pool(pool: Pool, nodes: tuple[Node, ...], known: PoolInventory | None) -> PoolInventory:
    able = [node for node in nodes if _could_hold(node, pool)]
    if pool.gpu is None:
        return PoolInventory(name=pool.name, nodes=len(able))
    if not able:
        return _remembered(pool, pool.gpu, known)
    memories = [memory for node in able if (memory := _memory(node, pool.gpu)) is not None]
    products = {_product(node, pool.gpu) for node in able}
    resource = gpu_resource(pool.gpu)
    return PoolInventory(
        name=pool.name,
        nodes=len(able),
        gpus=sum(int(_allocatable(node, resource)) for node in able),
        gpu_product=products.pop() if len(products) == 1 else None,
        gpu_memory=min(memories, default=None),
    )


def _remembered(pool: Pool, gpu: PoolGpu, known: PoolInventory | None) -> PoolInventory:
    """Which GPUs they were, unless the pool asks for others now."""
    if known is None or not _is_of(known.gpu_product, gpu):
        return PoolInventory(name=pool.name)
    return known.model_copy(update={"nodes": 0, "gpus": 0})


def _is_of(product: str | None, gpu: PoolGpu) -> bool:
    profile = _own_resource(gpu)
    if profile is None:
        return gpu.product in (None, product)
    if product is None or mig_of(product) != profile:
        return False
    return gpu.product in (None, undivided(product))


def _could_hold(node: Node, pool: Pool) -> bool:
    wants = _selector(pool)
    if node.unschedulable or any(node.labels.get(key) != wants[key] for key in wants):
        return False
    asked = {"cpu": pool.resources.cpu.value, "memory": pool.resources.memory.value}
    if pool.gpu is not None:
        asked[gpu_resource(pool.gpu)] = Decimal(pool.gpu.count)
    return all(_allocatable(node, name) >= amount for name, amount in asked.items())


def _selector(pool: Pool) -> Mapping[str, str]:
    """The labels that the pool's pods ask of their nodes."""
    said: Mapping[str, str] = (pool.template.get("spec") or {}).get("nodeSelector") or {}
    product = pool.gpu.product if pool.gpu is not None else None
    return said if product is None else {**said, GPU_PRODUCT: product}


def _product(node: Node, gpu: PoolGpu) -> str | None:
    whole, profile = node.labels.get(GPU_PRODUCT), _own_resource(gpu)
    return whole if whole is None or profile is None else f"{whole}{_MIG}{_in_a_label(profile)}"


def _memory(node: Node, gpu: PoolGpu) -> int | None:
    """Of one GPU or MIG device, in bytes; the label is in MiB."""
    resource = gpu_resource(gpu)
    label = GPU_MEMORY if resource == GPU_RESOURCE else f"{resource}.memory"
    said = node.labels.get(label, "")
    return int(said) * 2**20 if said.isdecimal() else None


def _own_resource(gpu: PoolGpu) -> str | None:
    """The MIG profile, if devices of it are a resource of their own."""
    return gpu.mig if gpu_resource(gpu) != GPU_RESOURCE else None


def _in_a_label(profile: str) -> str:
    """A label holds no plus sign, so `1g.10gb+me` is `1g.10gb.me` there."""
    return profile.replace("+", ".")


def _allocatable(node: Node, resource: str) -> Decimal:
    return Quantity(node.allocatable.get(resource, "0")).value
