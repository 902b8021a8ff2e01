"""Which of the Models that could be served find a place in their Fleet.

A Fleet serves so many, and its configuration may become so large: Kubernetes keeps no larger one,
and would refuse it for all Models. Those that are told as they are stay, then those that changed;
age decides among the others, and the name among equals.
"""

import json
from collections.abc import Iterable, Sequence

from shoal.api import MAX_MODELS, Fleet, Model, Reason
from shoal.plan.observed import ObservedModel, key_of
from shoal.plan.refusal import Refusal
from shoal.plan.sizes import in_words

# An object may have 1.5 MiB; what is left is for the pods, and for what the Fleet itself serves.
MOST_BYTES = 2**20
# What an application says beside its Model's spec, and of each adapter beside that.
_FRAME_BYTES, _ADAPTER_BYTES = 1024, 256


def size_of(model: Model) -> int:
    """The most that a Model takes of the configuration, in bytes.

    Its revision is there twice while a change is on its way. It is text within text, in JSON.
    """
    adapters = model.spec.generation.adapters if model.spec.generation else ()
    said = len(json.dumps(model.spec.model_dump_json())) + _ADAPTER_BYTES * len(adapters)
    return _FRAME_BYTES + 2 * said


def is_crowded(fleet: Fleet) -> bool:
    """Whether not all Models that name the Fleet may find a place, as its status counts them."""
    counted = fleet.status.models
    return counted.total > MAX_MODELS or counted.bytes > MOST_BYTES


def seated(candidates: Iterable[ObservedModel]) -> frozenset[str]:
    """The `namespace/name` of those that find a place."""
    found, left = set[str](), MOST_BYTES
    for one in sorted(candidates, key=_seniority):
        size = size_of(one.model)
        if len(found) < MAX_MODELS and size <= left:
            found.add(key_of(one.model))
            left -= size
    return frozenset(found)


def no_seat(model: Model, candidates: Sequence[ObservedModel]) -> Refusal | None:
    """Why one of the candidates finds no place, if it finds none."""
    there, key = seated(candidates), key_of(model)
    models = {key_of(one.model): one.model for one in candidates}
    if key in there or key not in models:
        return None
    if len(there) == MAX_MODELS:
        return Refusal(
            Reason.FLEET_FULL,
            f"Fleet {model.spec.fleet!r} holds {MAX_MODELS} Models, the most that Ray Serve "
            "carries. Delete or suspend one, or name another Fleet in spec.fleet.",
        )
    left = MOST_BYTES - sum(size_of(models[one]) for one in there)
    return Refusal(
        Reason.FLEET_FULL,
        f"The configuration of Fleet {model.spec.fleet!r} has {in_words(left)} left of "
        f"{in_words(MOST_BYTES)}, and this Model may take {in_words(size_of(model))}. Name fewer "
        "adapters, or shorter addresses; or name another Fleet in spec.fleet.",
    )


def _seniority(one: ObservedModel) -> tuple[int, str, str]:
    standing = 0 if one.is_told else 1 if one.told is not None else 2
    created = one.model.metadata.creation_timestamp
    return (standing, created.isoformat() if created else "", key_of(one.model))
