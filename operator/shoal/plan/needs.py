"""What a pool must have to hold a replica, one need after another, and what to say where no pool
has it.

An objection is told of the pools that every earlier need left over, and names the one that comes
nearest.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Generic, NamedTuple, TypeVar

from shoal.api import Gpu, Resources
from shoal.plan.inventory import undivided
from shoal.plan.offers import Offer
from shoal.plan.sizes import in_words

Asked = TypeVar("Asked", Gpu, Resources)


class Need(NamedTuple, Generic[Asked]):
    """Whether one worker has what is asked, and what to say where none of several has."""

    allows: Callable[[Asked, Offer], bool]
    objection: Callable[[Asked, Sequence[Offer]], str]


def _has_gpus(_: Gpu, offer: Offer) -> bool:
    return offer.gpus > 0


def _no_gpus(_: Gpu, offers: Sequence[Offer]) -> str:
    if all(offer.cpu is None for offer in offers):
        return (
            "Needs a GPU; `shoal up` does not manage this machine's. Leave out spec.resources.gpu."
        )
    return "Needs a GPU; no pool has any. Leave out spec.resources.gpu, or add a pool with gpu."


def _is_divided_alike(gpu: Gpu, offer: Offer) -> bool:
    return gpu.mig == offer.mig


def _divided_otherwise(gpu: Gpu, offers: Sequence[Offer]) -> str:
    wanted = f"a MIG device {gpu.mig}" if gpu.mig else "an undivided GPU"
    there = _listed((f"MIG {one.mig}" if one.mig else "undivided ones", one.pool) for one in offers)
    return f"Needs {wanted}; there are {there}. Change spec.resources.gpu.mig, or add a pool."


def _is_a_product(gpu: Gpu, offer: Offer) -> bool:
    names = (offer.product, undivided(offer.product)) if offer.product else ()
    return not gpu.products or any(name in gpu.products for name in names)


def _other_products(gpu: Gpu, offers: Sequence[Offer]) -> str:
    there = _listed((one.product or "unknown ones", one.pool) for one in offers)
    return (
        f"Needs a GPU of product {' or '.join(gpu.products)}; there are {there}. "
        "Change spec.resources.gpu.products, or add a pool."
    )


def _has_as_many(gpu: Gpu, offer: Offer) -> bool:
    return gpu.count <= offer.gpus


def _too_few(gpu: Gpu, offers: Sequence[Offer]) -> str:
    most = max(offers, key=lambda one: one.gpus)
    return (
        f"Needs {gpu.count} GPUs on one worker; the most is {most.gpus} on pool {most.pool}. "
        "Lower spec.resources.gpu.count, or add a pool."
    )


def _is_known_enough(gpu: Gpu, offer: Offer) -> bool:
    return gpu.memory is None or offer.gpu_memory is not None


def _unknown(gpu: Gpu, offers: Sequence[Offer]) -> str:
    pools = ", ".join(one.pool for one in offers)
    return (
        f"Needs {in_words(_share(gpu))} on one GPU; how much those of pool {pools} have is not "
        "known, because no node of it told so yet. Say gpu.memory in the Fleet's pool."
    )


def _is_large_enough(gpu: Gpu, offer: Offer) -> bool:
    return _share(gpu) <= (offer.gpu_memory or 0)


def _too_small(gpu: Gpu, offers: Sequence[Offer]) -> str:
    most = max(offers, key=lambda one: one.gpu_memory or 0)
    return (
        f"Needs {in_words(_share(gpu))} on one GPU; the largest is "
        f"{in_words(most.gpu_memory or 0)} on pool {most.pool}. "
        "Lower spec.resources.gpu.memory, or add a pool."
    )


def _has_processors(asked: Resources, offer: Offer) -> bool:
    return offer.cpu is None or asked.cpu.value <= offer.cpu


def _too_few_processors(asked: Resources, offers: Sequence[Offer]) -> str:
    most = max(offers, key=lambda one: one.cpu or 0)
    return (
        f"Needs {asked.cpu.value:f} processors; the largest worker has {most.cpu or 0} for Models, "
        f"in pool {most.pool}. Lower spec.resources.cpu, or add a pool."
    )


def _has_memory(asked: Resources, offer: Offer) -> bool:
    return offer.memory is None or _memory(asked) <= offer.memory


def _too_little_memory(asked: Resources, offers: Sequence[Offer]) -> str:
    most = max(offers, key=lambda one: one.memory or 0)
    return (
        f"Needs {in_words(_memory(asked))} of memory; the largest worker has "
        f"{in_words(most.memory or 0)} for Models, in pool {most.pool}. "
        "Lower spec.resources.memory, or add a pool."
    )


def _share(gpu: Gpu) -> int:
    return int(gpu.memory.value) if gpu.memory is not None else 0


def _memory(asked: Resources) -> int:
    return int(asked.memory.value) if asked.memory is not None else 0


def _listed(found: Iterable[tuple[str, str]]) -> str:
    return ", ".join(f"{what} (pool {pool})" for what, pool in found)


GPU_NEEDS: tuple[Need[Gpu], ...] = (
    Need(_has_gpus, _no_gpus),
    Need(_is_divided_alike, _divided_otherwise),
    Need(_is_a_product, _other_products),
    Need(_has_as_many, _too_few),
    Need(_is_known_enough, _unknown),
    Need(_is_large_enough, _too_small),
)
WORKER_NEEDS: tuple[Need[Resources], ...] = (
    Need(_has_processors, _too_few_processors),
    Need(_has_memory, _too_little_memory),
)
