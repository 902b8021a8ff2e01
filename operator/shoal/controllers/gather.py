"""The first verb: read from the world what a decision may look at."""

from collections.abc import Iterable, Mapping
from dataclasses import replace

from shoal.api import MAX_MODELS, ConditionType, Fleet, Model, RayService, Reason, is_true
from shoal.api.source_secrets import secret_names
from shoal.cluster import Cluster
from shoal.errors import AccessDenied
from shoal.plan.observed import FoundSecret, ObservedFleet, ObservedModel, key_of
from shoal.plan.ray_clusters import waits_for_room


async def gather_fleet(cluster: Cluster, name: str) -> ObservedFleet | None:
    """A Fleet and everything about it, or None if it is gone."""
    fleet = await cluster.get(Fleet, "", name)
    if fleet is None:
        return None
    models = tuple(await cluster.models_of(name))
    return replace(
        await _surroundings(cluster, fleet, models),
        nodes=await cluster.nodes(),
        pods=await cluster.pods(fleet),
        ray_clusters=await cluster.ray_clusters(fleet),
        namespaces=await _namespaces(cluster, models),
        secrets=await _secrets(cluster, models),
        unreadable=frozenset(".".join(one) for one in await cluster.unreadable_models()),
    )


async def gather_model(cluster: Cluster, namespace: str, name: str) -> ObservedModel | None:
    """A Model and its Fleet, or None if it is gone.

    The Fleet's other Models are read only if it has too many: every Model reading every other one
    is a square. Its pods are read only while a replica waits for a place. Of its nodes the Fleet's
    status tells.
    """
    model = await cluster.get(Model, namespace, name)
    if model is None:
        return None
    fleet = await cluster.get(Fleet, "", model.spec.fleet)
    if fleet is None:
        return ObservedModel(model)
    crowded = fleet.status.models.total > MAX_MODELS
    models = tuple(await cluster.models_of(model.spec.fleet)) if crowded else ()
    surroundings = replace(
        await _surroundings(cluster, fleet, models),
        namespaces=await _namespaces(cluster, (model,)),
        secrets=await _secrets(cluster, (model,)),
    )
    if waits_for_room(ObservedModel(model, surroundings).application):
        surroundings = replace(surroundings, pods=await cluster.pods(fleet))
    observed = ObservedModel(model, surroundings)
    return replace(observed, answers=await _answers(cluster, observed))


async def gather_surroundings(
    cluster: Cluster, fleet: Fleet, namespaces: Iterable[str]
) -> ObservedFleet:
    """What is around a Fleet, as each of its Models sees it; its Models are in `namespaces`."""
    return replace(
        await _surroundings(cluster, fleet, ()),
        pods=await cluster.pods(fleet),
        namespaces={name: await cluster.namespace_labels(name) for name in sorted(namespaces)},
    )


async def _surroundings(cluster: Cluster, fleet: Fleet, models: tuple[Model, ...]) -> ObservedFleet:
    name, site = fleet.metadata.name, cluster.site(fleet)
    return ObservedFleet(
        fleet=fleet,
        site=site,
        models=models,
        ray_service=await cluster.get(RayService, site.namespace, name),
        ledger=await cluster.ledger(name),
        reachable=await cluster.reachable(name),
    )


async def _namespaces(
    cluster: Cluster, models: tuple[Model, ...]
) -> Mapping[str, Mapping[str, str]]:
    names = {model.metadata.namespace or "" for model in models}
    return {name: await cluster.namespace_labels(name) for name in sorted(names)}


async def _secrets(
    cluster: Cluster, models: tuple[Model, ...]
) -> Mapping[tuple[str, str], FoundSecret]:
    named = {(m.metadata.namespace or "", name) for m in models for name in secret_names(m)}
    return {key: await _secret(cluster, *key) for key in sorted(named)}


async def _secret(cluster: Cluster, namespace: str, name: str) -> FoundSecret:
    try:
        found = await cluster.secret(namespace, name)
    except AccessDenied:
        return Reason.SECRET_FORBIDDEN
    return Reason.SECRET_NOT_FOUND if found is None else found


async def _answers(cluster: Cluster, observed: ObservedModel) -> bool:
    """Ask the Model's own URL, if something may answer there and it is not known to."""
    model, fleet = observed.model, observed.fleet
    ready = is_true(model.status.conditions, ConditionType.READY)
    if fleet is None or not fleet.reachable or ready or not observed.answering:
        return False
    return await cluster.answers(f"{fleet.address}/{key_of(model)}/v2/health/ready")
