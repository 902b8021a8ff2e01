"""The first verb: read from the world what a decision may look at."""

from collections.abc import Iterable, Mapping
from dataclasses import replace

from shoal.api import MAX_MODELS, ConditionType, Fleet, Model, RayService, is_true
from shoal.cluster import Cluster
from shoal.plan.observed import ObservedFleet, ObservedModel, key_of


async def gather_fleet(cluster: Cluster, name: str) -> ObservedFleet | None:
    """A Fleet and everything about it, or None if it is gone."""
    fleet = await cluster.get(Fleet, "", name)
    if fleet is None:
        return None
    return await _surroundings(cluster, fleet, await _models_of(cluster, name))


async def gather_model(cluster: Cluster, namespace: str, name: str) -> ObservedModel | None:
    """A Model and its Fleet, or None if it is gone.

    The Fleet's other Models are read only if it has too many: every Model reading every other one
    is a square.
    """
    model = await cluster.get(Model, namespace, name)
    if model is None:
        return None
    fleet = await cluster.get(Fleet, "", model.spec.fleet)
    if fleet is None:
        return ObservedModel(model)
    crowded = fleet.status.models.total > MAX_MODELS
    models = await _models_of(cluster, model.spec.fleet) if crowded else ()
    labels = await _namespaces(cluster, (model,))
    surroundings = replace(await _surroundings(cluster, fleet, models), namespaces=labels)
    observed = ObservedModel(model, surroundings)
    return replace(observed, answers=await _answers(cluster, observed))


async def gather_surroundings(
    cluster: Cluster, fleet: Fleet, namespaces: Iterable[str]
) -> ObservedFleet:
    """What is around a Fleet, as each of its Models sees it; its Models are in `namespaces`."""
    labels = {name: await cluster.namespace_labels(name) for name in sorted(namespaces)}
    return replace(await _surroundings(cluster, fleet, ()), namespaces=labels)


async def _models_of(cluster: Cluster, fleet: str) -> tuple[Model, ...]:
    return tuple(model for model in await cluster.list(Model) if model.spec.fleet == fleet)


async def _surroundings(cluster: Cluster, fleet: Fleet, models: tuple[Model, ...]) -> ObservedFleet:
    name, site = fleet.metadata.name, cluster.site(fleet)
    return ObservedFleet(
        fleet=fleet,
        site=site,
        models=models,
        ray_service=await cluster.get(RayService, site.namespace, name),
        ledger=await cluster.ledger(name),
        reachable=await cluster.reachable(name),
        nodes=await cluster.nodes(),
        pods=await cluster.pods(fleet),
        namespaces=await _namespaces(cluster, models),
    )


async def _namespaces(
    cluster: Cluster, models: tuple[Model, ...]
) -> Mapping[str, Mapping[str, str]]:
    names = {model.metadata.namespace or "" for model in models}
    return {name: await cluster.namespace_labels(name) for name in sorted(names)}


async def _answers(cluster: Cluster, observed: ObservedModel) -> bool:
    """Ask the Model's own URL, if something may answer there and it is not known to."""
    model, fleet = observed.model, observed.fleet
    ready = is_true(model.status.conditions, ConditionType.READY)
    if fleet is None or not fleet.reachable or ready or not observed.answering:
        return False
    return await cluster.answers(f"{fleet.address}/{key_of(model)}/v2/health/ready")
