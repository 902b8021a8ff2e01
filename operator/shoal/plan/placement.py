"""Which Models a Fleet serves, and by which of its pools."""

from shoal.api import Model
from shoal.plan.acceptance import refusal
from shoal.plan.fitting import Place, place
from shoal.plan.observed import ObservedFleet, ObservedModel, is_wanted, key_of
from shoal.plan.offers import offers


def served_models(observed: ObservedFleet) -> list[Model]:
    """The Models that the Fleet serves, in a stable order."""
    return [model for model, _ in placed_models(observed)]


def placed_models(observed: ObservedFleet) -> list[tuple[Model, Place]]:
    """The Models that the Fleet serves, in a stable order, and where each of them runs."""
    there = offers(observed)
    accepted = (
        (model, place(model, there))
        for model in sorted(observed.models, key=key_of)
        if is_wanted(model) and refusal(ObservedModel(model, observed)) is None
    )
    return [(model, where) for model, where in accepted if isinstance(where, Place)]
