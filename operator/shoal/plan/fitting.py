"""Which pool of a Fleet holds a Model, and which part of a GPU each of its replicas has.

It is the first pool, in the Fleet's order, that can hold a replica. A Model stays on its pool while
it still fits there, so that another pool moves nobody; and what its replicas were told stays while
neither the Model nor the pool asks for anything else, so that a node moves nobody either.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from shoal.api import Model, Reason, Resources
from shoal.plan.needs import GPU_NEEDS, WORKER_NEEDS, Asked, Need
from shoal.plan.offers import Offer
from shoal.plan.refusal import Refusal
from shoal.plan.sizes import in_words

_PARTS = 10_000  # Ray counts GPUs in ten-thousandths.


@dataclass(frozen=True, slots=True)
class Place:
    """The pool, and what each replica has of its GPUs: a `share` of one, or `gpus` whole ones.

    `words` tell it to a person.
    """

    pool: str
    words: str
    share: float | None = None
    gpus: int | None = None


def place(model: Model, offers: Sequence[Offer]) -> Place | Refusal:
    """Where the Model's replicas run, or by how much they fit nowhere."""
    asked, before = model.spec.resources, model.status.placement
    staying = [one for one in offers if before is not None and one.pool == before.pool]
    if staying and _fits(asked, staying[0]):
        return _place(asked, staying[0])
    fit = _fitting(asked, _open(asked, offers))
    return fit if isinstance(fit, Refusal) else _place(asked, fit[0])


def stay(model: Model, told: Place, offers: Sequence[Offer]) -> Place | None:
    """The place that was told, in the words of today; None if workers cannot hold a replica now.

    What is known of GPUs has no say: it may have changed, or be missing for a while.
    """
    asked = model.spec.resources
    here = [one for one in offers if one.pool == told.pool]
    if isinstance(_left_by(WORKER_NEEDS, asked, here), Refusal):
        return None
    fit = _fitting(asked, here)
    now = fit if isinstance(fit, Refusal) else _place(asked, fit[0])
    if isinstance(now, Place) and (now.share, now.gpus) == (told.share, told.gpus):
        return now
    other = now.message if isinstance(now, Refusal) else f"It would be another now: {now.words}"
    part = f"{told.share:g} of one GPU" if told.share is not None else f"{told.gpus} GPUs"
    return replace(told, words=f"Pool {told.pool}, {part}, as it was told before. {other}")


def _open(asked: Resources, offers: Sequence[Offer]) -> Sequence[Offer]:
    """A Model without GPUs takes no place beside GPUs, unless there is no other pool."""
    plain = [one for one in offers if not one.gpus]
    return plain if asked.gpu is None and plain else offers


def _fits(asked: Resources, offer: Offer) -> bool:
    return not isinstance(_fitting(asked, (offer,)), Refusal)


def _fitting(asked: Resources, offers: Sequence[Offer]) -> Sequence[Offer] | Refusal:
    """The pools that can hold a replica."""
    left = _left_by(GPU_NEEDS, asked.gpu, offers) if asked.gpu is not None else offers
    return left if isinstance(left, Refusal) else _left_by(WORKER_NEEDS, asked, left)


def _left_by(
    needs: Sequence[Need[Asked]], asked: Asked, offers: Sequence[Offer]
) -> Sequence[Offer] | Refusal:
    for need in needs:
        fit = [one for one in offers if need.allows(asked, one)]
        if not fit:
            return Refusal(Reason.NO_POOL_FITS, need.objection(asked, offers))
        offers = fit
    return offers


def _place(asked: Resources, offer: Offer) -> Place:
    gpu = asked.gpu
    if gpu is None:
        return Place(offer.pool, f"Pool {offer.pool}.")
    if gpu.memory is None or offer.gpu_memory is None:
        whole = "a whole GPU" if gpu.count == 1 else f"{gpu.count} whole GPUs"
        return Place(offer.pool, f"Pool {offer.pool}, {whole}.", gpus=gpu.count)
    memory = int(gpu.memory.value)
    share = -(-memory * _PARTS // offer.gpu_memory) / _PARTS
    words = f"{in_words(memory)} of the {in_words(offer.gpu_memory)} of one GPU ({share:g})"
    return Place(offer.pool, f"Pool {offer.pool}, {words}.", share=share)
