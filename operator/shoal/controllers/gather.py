"""The first verb: read from the world what a decision may look at."""

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import replace

from shoal.api import ConditionType, Fleet, Model, RayService, Reason, find_condition, is_true
from shoal.api.source_secrets import secret_names
from shoal.cluster import Cluster
from shoal.errors import AccessDenied, InvalidResource, WorldUnavailable
from shoal.plan.acceptance import SECRET_REASONS, refusal
from shoal.plan.observed import FoundSecret, ObservedFleet, ObservedModel, is_wanted, key_of
from shoal.plan.owned.names import credentials_name
from shoal.plan.ray_states import waits_for_room
from shoal.plan.seats import is_crowded
from shoal.plan.told import told_applications

SECRETS_AT_ONCE = 8
ANSWER_S = 2.0


async def gather_fleet(cluster: Cluster, name: str) -> ObservedFleet | None:
    """A Fleet and everything about it, or None if it is gone."""
    fleet = await cluster.get(Fleet, "", name)
    if fleet is None:
        return None
    models = tuple(await cluster.models_of(name))
    observed = replace(
        await _surroundings(cluster, fleet, models),
        nodes=await cluster.nodes(),
        pods=await cluster.pods(fleet),
        ray_clusters=await cluster.ray_clusters(fleet),
        namespaces=await _namespaces(cluster, models),
        unreadable=frozenset(".".join(one) for one in await cluster.unreadable_models()),
    )
    observed = replace(observed, secrets=await _secrets(cluster, observed, models))
    return replace(observed, credentials=await _kept_credentials(cluster, observed))


async def gather_model(cluster: Cluster, namespace: str, name: str) -> ObservedModel | None:
    """A Model and its Fleet, or None if it is gone.

    The Fleet's other Models are read only if it has too many: every Model reading every other one
    is a square. Which of them lack a Secret is told by their statuses. The Fleet's pods are read
    only while a replica waits for a place. Of its nodes the Fleet's status tells.
    """
    model = await cluster.get(Model, namespace, name)
    if model is None:
        return None
    try:
        fleet = await cluster.get(Fleet, "", model.spec.fleet)
    except InvalidResource as error:
        return ObservedModel(model, fleet_problem="; ".join(error.problems))
    if fleet is None:
        return ObservedModel(model)
    crowded = is_crowded(fleet)
    models = tuple(await cluster.models_of(model.spec.fleet)) if crowded else ()
    surroundings = replace(
        await _surroundings(cluster, fleet, tuple(m for m in models if not _lacks_secret(m))),
        namespaces=await _namespaces(cluster, (model, *models)),
    )
    secrets = await _secrets(cluster, surroundings, (model,))
    surroundings = replace(surroundings, secrets=secrets)
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
    cluster: Cluster, observed: ObservedFleet, models: tuple[Model, ...]
) -> Mapping[tuple[str, str], FoundSecret]:
    """Those of the Models that nothing else speaks against: nobody's Secrets are read in vain."""
    wanted = (m for m in models if is_wanted(m) and refusal(ObservedModel(m, observed)) is None)
    named = {(m.metadata.namespace or "", name) for m in wanted for name in secret_names(m)}
    turns = asyncio.Semaphore(SECRETS_AT_ONCE)

    async def read(key: tuple[str, str]) -> FoundSecret:
        async with turns:
            return await _secret(cluster, *key)

    keys = sorted(named)
    return dict(zip(keys, await asyncio.gather(*map(read, keys)), strict=True))


async def _secret(cluster: Cluster, namespace: str, name: str) -> FoundSecret:
    """One that is not handed out now is its Model's misfortune, not everybody's."""
    try:
        found = await cluster.secret(namespace, name)
    except AccessDenied:
        return Reason.SECRET_FORBIDDEN
    except WorldUnavailable:
        return Reason.SECRET_UNAVAILABLE
    return Reason.SECRET_NOT_FOUND if found is None else found


def _lacks_secret(model: Model) -> bool:
    accepted = find_condition(model.status.conditions, ConditionType.ACCEPTED)
    newest = model.metadata.generation
    known = accepted is not None and accepted.observed_generation == newest
    return accepted is not None and known and accepted.reason in SECRET_REASONS


async def _kept_credentials(cluster: Cluster, observed: ObservedFleet) -> Mapping[str, str]:
    """What the Fleet holds, where something of it cannot be read anew."""
    service = observed.ray_service
    told = told_applications(service.spec.serve_config) if service is not None else frozenset()
    missing = Reason.SECRET_UNAVAILABLE in observed.secrets.values()
    if not observed.site.has_pods or not (missing or observed.unreadable & told):
        return {}
    found = await cluster.secret(observed.site.namespace, credentials_name(observed.fleet))
    return found or {}


async def _answers(cluster: Cluster, observed: ObservedModel) -> bool:
    """Ask the Model's own URL, if something may answer there and it is not known to. It is asked
    again soon: no other Model waits long for this one's answer.
    """
    model, fleet = observed.model, observed.fleet
    ready = is_true(model.status.conditions, ConditionType.READY)
    if fleet is None or not fleet.reachable or ready or not observed.answering:
        return False
    try:
        async with asyncio.timeout(ANSWER_S):
            return await cluster.answers(f"{fleet.address}/{key_of(model)}/v2/health/ready")
    except TimeoutError:
        return False
