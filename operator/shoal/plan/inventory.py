"""What the pools of a Fleet are made of, by the labels and capacities of the cluster's nodes.

GPU Feature Discovery labels nodes with the product and memory of their GPUs; where GPUs are divided
by MIG's `mixed` strategy, each profile has labels and a resource of its own, and by its `single`
strategy the product says so (`NVIDIA-A100-SXM4-40GB-MIG-1g.5gb`).

What is known of a pool's GPUs is kept while no node tells it: a pool that was scaled to zero can
still be placed on, and a label that is missing for a while moves nobody. Their memory is the least
that any node ever told, a cordoned one too, so that no share is too small for a card. All of it is
forgotten once the pool asks for other GPUs.
"""

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

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


def asked_of_nodes(pool: Pool) -> str:
    """Which GPUs a pool asks for: `nvidia.com/gpu x2 of 22Gi, zone=a`; empty if it has none."""
    if pool.gpu is None:
        return ""
    of = f" of {pool.gpu.memory}" if pool.gpu.memory else ""
    labels = (f"{key}={value}" for key, value in sorted(_selector(pool).items()))
    return ", ".join((f"{gpu_resource(pool.gpu)} x{pool.gpu.count}{of}", *labels))


def _of_pool(pool: Pool, nodes: tuple[Node, ...], known: PoolInventory | None) -> PoolInventory:
    alike = [node for node in nodes if _could_hold(node, pool)]
    able = [node for node in alike if not node.unschedulable]
    if pool.gpu is None:
        return PoolInventory(name=pool.name, nodes=len(able))
    asked, resource = asked_of_nodes(pool), gpu_resource(pool.gpu)
    before = known if known is not None and known.asked == asked else PoolInventory(name=pool.name)
    return PoolInventory(
        name=pool.name,
        nodes=len(able),
        gpus=sum(int(_allocatable(node, resource)) for node in able),
        gpu_product=_one_product(alike, pool.gpu, before),
        gpu_memory=_least_memory(alike, pool.gpu, before),
        asked=asked,
    )


def _one_product(nodes: Iterable[Node], gpu: PoolGpu, before: PoolInventory) -> str | None:
    """None if there are several."""
    products = {product for node in nodes if (product := _product(node, gpu)) is not None}
    if not products:
        return before.gpu_product
    return products.pop() if len(products) == 1 else None


def _least_memory(nodes: Iterable[Node], gpu: PoolGpu, before: PoolInventory) -> int | None:
    sizes = (before.gpu_memory, *(_memory(node, gpu) for node in nodes))
    return min((size for size in sizes if size is not None), default=None)


def _could_hold(node: Node, pool: Pool) -> bool:
    """Once it is empty, and not cordoned."""
    wants = _selector(pool)
    if any(node.labels.get(key) != wants[key] for key in wants):
        return False
    asked = {"cpu": pool.resources.cpu.value, "memory": pool.resources.memory.value}
    if pool.gpu is not None:
        asked[gpu_resource(pool.gpu)] = Decimal(pool.gpu.count)
    return all(_allocatable(node, name) >= amount for name, amount in asked.items())


def _selector(pool: Pool) -> Mapping[str, Any]:
    """The labels that the pool's pods ask of their nodes. What is no pod template asks for none:
    the API server refuses it, in its words.
    """
    said = _map(_map(pool.template.get("spec")).get("nodeSelector"))
    product = pool.gpu.product if pool.gpu is not None else None
    return said if product is None else {**said, GPU_PRODUCT: product}


def _map(said: Any) -> Mapping[str, Any]:
    return said if isinstance(said, Mapping) else {}


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
