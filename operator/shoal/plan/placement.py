"""Whether a Model may be served by its Fleet, and by which pool. Each check is one rule."""

from collections.abc import Callable
from dataclasses import dataclass

from shoal.api import MAX_MODELS, Model, Reason
from shoal.plan.observed import ObservedFleet, ObservedModel, key_of


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why not: the reason, and a sentence that says what to do."""

    reason: Reason
    message: str


Check = Callable[[ObservedModel], Refusal | None]


def refusal(observed: ObservedModel) -> Refusal | None:
    """The first check that objects to the Model, or None."""
    return next((said for check in CHECKS if (said := check(observed))), None)


def is_wanted(model: Model) -> bool:
    """Whether the Model asks for any replica at all."""
    return not model.spec.suspend and model.spec.most_replicas > 0


def served_models(observed: ObservedFleet) -> list[Model]:
    """The Models that Ray Serve is told of, in a stable order."""
    accepted = (
        model
        for model in observed.models
        if is_wanted(model) and refusal(ObservedModel(model, observed)) is None
    )
    return sorted(accepted, key=key_of)


def pool_of(observed: ObservedFleet) -> str:
    """The pool that holds a Model. Every pool is alike while Models ask for no GPU."""
    return observed.fleet.spec.pools[0].name


def _fleet_exists(observed: ObservedModel) -> Refusal | None:
    if observed.fleet is not None:
        return None
    name = observed.model.spec.fleet
    return Refusal(
        Reason.FLEET_NOT_FOUND,
        f"There is no Fleet {name!r}. Create it, or name another in spec.fleet.",
    )


def _fleet_has_room(observed: ObservedModel) -> Refusal | None:
    """Those that came first stay: age decides, and the name among equals."""
    model, fleet = observed.model, observed.fleet
    if fleet is None or len(fleet.models) <= MAX_MODELS or not is_wanted(model):
        return None
    mine = _seniority(model)
    if sum(is_wanted(other) and _seniority(other) < mine for other in fleet.models) < MAX_MODELS:
        return None
    return Refusal(
        Reason.FLEET_FULL,
        f"Fleet {model.spec.fleet!r} holds {MAX_MODELS} Models, the most that Ray Serve "
        "carries. Delete or suspend one, or name another Fleet in spec.fleet.",
    )


def _seniority(model: Model) -> tuple[str, str]:
    created = model.metadata.creation_timestamp
    return (created.isoformat() if created else "", key_of(model))


CHECKS: tuple[Check, ...] = (_fleet_exists, _fleet_has_room)
