"""Which Models a Fleet serves, and by which of its pools."""

from collections.abc import Mapping, Sequence
from typing import Any

from shoal.api import Model, Pool
from shoal.plan.acceptance import refusal
from shoal.plan.fitting import Place, place, stay
from shoal.plan.inventory import asked_of_nodes
from shoal.plan.observed import ObservedFleet, ObservedModel, application_of, is_wanted, key_of
from shoal.plan.offers import Offer, offers
from shoal.plan.ray_cluster.offers import pool_resource
from shoal.plan.refusal import Refusal
from shoal.plan.seats import no_seat, seated
from shoal.plan.told import told_actor_options


def served_models(observed: ObservedFleet) -> list[Model]:
    """The Models that the Fleet serves, in a stable order."""
    return [model for model, _ in placed_models(observed)]


def placed_models(observed: ObservedFleet) -> list[tuple[Model, Place]]:
    """The Models that the Fleet serves, in a stable order, and where each of them runs."""
    could = _could_be_served(observed)
    there = seated(one for one, _ in could)
    return [(one.model, where) for one, where in could if key_of(one.model) in there]


def fleet_is_full(observed: ObservedModel) -> Refusal | None:
    """Why its Fleet has no place left for a Model that could be served."""
    could = _could_be_served(observed.fleet) if observed.fleet is not None else []
    return no_seat(observed.model, [one for one, _ in could])


def _could_be_served(observed: ObservedFleet) -> list[tuple[ObservedModel, Place]]:
    """The Models that nothing speaks against but how many they are."""
    there = offers(observed)
    wanted = sorted(filter(is_wanted, observed.models), key=key_of)
    accepted = [one for model in wanted if refusal(one := ObservedModel(model, observed)) is None]
    placed = ((one, place_of(one, there)) for one in accepted)
    return [(one, where) for one, where in placed if isinstance(where, Place)]


def place_of(observed: ObservedModel, there: Sequence[Offer]) -> Place | Refusal:
    """Where one Model's replicas run on its Fleet, or why they cannot. `there` are its `offers`."""
    told = _told_place(observed)
    kept = stay(observed.model, told, there) if told is not None else None
    return kept or place(observed.model, there)


def _told_place(observed: ObservedModel) -> Place | None:
    """What the replicas of the Model as it is now were told, if its pool still asks for the same
    GPUs.
    """
    fleet = observed.fleet
    if fleet is None or fleet.ray_service is None or not observed.is_told:
        return None
    config = fleet.ray_service.spec.serve_config
    options = told_actor_options(config, application_of(observed.model))
    pools = (pool for pool in fleet.fleet.spec.pools if _is_told(pool, options))
    pool = next(pools, None)
    known = {one.name: one.asked for one in fleet.fleet.status.inventory}
    if pool is None or known.get(pool.name) != asked_of_nodes(pool):
        return None
    gpu, gpus = observed.model.spec.resources.gpu, options.get("num_gpus")
    if gpu is None or gpus is None:
        return Place(pool.name, "")
    return Place(pool.name, "", gpus=gpus) if gpu.memory is None else Place(pool.name, "", gpus)


def _is_told(pool: Pool, options: Mapping[str, Any]) -> bool:
    return pool_resource(pool.name) in options.get("resources", {})
