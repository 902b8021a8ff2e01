"""What one worker of each pool has for Models, by the Fleet's spec and its nodes."""

from dataclasses import dataclass

from shoal.api import Pool, PoolInventory
from shoal.plan.inventory import inventory, mig_of
from shoal.plan.observed import ObservedFleet
from shoal.plan.ray_cluster.offers import offered_cpus, offered_gpus, offered_memory


@dataclass(frozen=True, slots=True)
class Offer:
    """One worker's processors, bytes of memory and GPUs of `gpu_memory` bytes each.

    `cpu` and `memory` are None on a laptop, where nothing bounds them, and `gpu_memory` while
    nobody knows it. `product` is the node label's, with the MIG profile that it may have.
    """

    pool: str
    cpu: int | None = None
    memory: int | None = None
    gpus: int = 0
    product: str | None = None
    mig: str | None = None
    gpu_memory: int | None = None


def offers(observed: ObservedFleet) -> tuple[Offer, ...]:
    """One for each pool, in the Fleet's order."""
    fleet, bounded = observed.fleet, observed.site.has_pods
    known = inventory(fleet, observed.nodes)
    return tuple(
        _offer(pool, one, bounded) for pool, one in zip(fleet.spec.pools, known, strict=True)
    )


def _offer(pool: Pool, known: PoolInventory, bounded: bool) -> Offer:
    cpu = offered_cpus(pool) if bounded else None
    memory = offered_memory(pool) if bounded else None
    if pool.gpu is None:
        return Offer(pool.name, cpu, memory)
    product = known.gpu_product or pool.gpu.product
    return Offer(
        pool=pool.name,
        cpu=cpu,
        memory=memory,
        gpus=offered_gpus(pool),
        product=product,
        mig=pool.gpu.mig or (mig_of(product) if product else None),
        gpu_memory=_gpu_memory(pool, known),
    )


def _gpu_memory(pool: Pool, known: PoolInventory) -> int | None:
    """What the Fleet says, so that a new node moves nothing, but never more than nodes have."""
    said = pool.gpu.memory if pool.gpu is not None else None
    sizes = [known.gpu_memory, int(said.value) if said is not None else None]
    return min((size for size in sizes if size is not None), default=None)
