"""Whom a change concerns, told from what was seen before.

A watch says which resource changed, not how. What was seen of it the last time tells the rest: a
Fleet whose own status was written concerns no Model, a Model that moved concerns two Fleets, and a
ledger that tells something new of one Model concerns that one.
"""

import logging
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, replace

from shoal.api import (
    Condition,
    ConditionType,
    Fleet,
    Ledger,
    Model,
    ObjectMeta,
    RayService,
    find_condition,
)
from shoal.api.fleet import ModelCount
from shoal.cluster import Cluster, Key
from shoal.controllers.gather import gather_surroundings
from shoal.errors import InvalidResource, WorldUnavailable
from shoal.plan.observed import ObservedFleet
from shoal.plan.seats import is_crowded

logger = logging.getLogger(__name__)

# What cannot be seen now may have changed in any way: whoever may be concerned is.
UNSEEN = (InvalidResource, WorldUnavailable)


@dataclass(frozen=True, slots=True)
class Concerned:
    """Who is to be reconciled: at once, next, soon (with what changes beside it), or at leisure.

    Only those at once do not mind that they were reconciled a moment ago.
    """

    at_once: tuple[Key, ...] = ()
    next: tuple[Key, ...] = ()
    soon: tuple[Key, ...] = ()
    at_leisure: tuple[Key, ...] = ()


@dataclass(frozen=True, slots=True)
class Seen:
    """What is remembered of a Model (and the Fleet that it names) or of a Fleet (and itself)."""

    uid: str
    generation: int
    fleet: str
    conditions: tuple[Condition, ...]


class Concerns:
    """Remembers a little of every Model and Fleet. Lives on one event loop."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._seen: dict[Key, Seen] = {}
        self._models: defaultdict[str, set[Key]] = defaultdict(set)
        self._views: dict[str, ObservedFleet] = {}

    @property
    def seen(self) -> Mapping[Key, Seen]:
        """Every Model and Fleet that there is, as it was seen last."""
        return self._seen

    async def of(self, key: Key) -> Concerned:
        """Whom it concerns that this Model or Fleet changed, or what is around it."""
        if key.kind == Model.__name__:
            return await self._of_model(key)
        return await self._of_fleet(key)

    async def _of_model(self, key: Key) -> Concerned:
        """Its Fleet hands over what a Model asks for, and counts how its Models are."""
        before = self._seen.get(key)
        try:
            now = _seen(await self._cluster.get(Model, key.namespace, key.name))
        except UNSEEN:
            now = before
        self._remember(key, before, now)
        fleets = _fleets(before, now)
        if before is not None and now is not None and _asks_the_same(before, now):
            return Concerned(at_once=(key,), at_leisure=fleets)
        return Concerned(at_once=(key,), soon=fleets)

    async def _of_fleet(self, key: Key) -> Concerned:
        """Its Models, as far as they see a difference."""
        before, asked = self._views.pop(key.name, None), self._seen.get(key)
        try:
            fleet = await self._cluster.get(Fleet, "", key.name)
            self._remember(key, asked, _seen(fleet))
            now = await self._view(fleet) if fleet is not None else None
        except UNSEEN:
            now = None
        models = frozenset(self._models[key.name])
        if now is not None:
            self._views[key.name] = now
        if before is not None and now is not None:
            models = _seeing_a_difference(before, now, models)
        asks = self._seen.get(key)
        if asked is not None and asks is not None and _asks_the_same(asked, asks):
            return Concerned(next=(key,), soon=tuple(sorted(models)))
        return Concerned(at_once=(key,), soon=tuple(sorted(models)))

    async def _view(self, fleet: Fleet) -> ObservedFleet | None:
        """What its Models see of a Fleet: not how many of them are Ready, nor who wrote what.

        None where there are so many that each one's place depends on the others.
        """
        if is_crowded(fleet):
            return None
        namespaces = {key.namespace for key in self._models[fleet.metadata.name]}
        around = await gather_surroundings(self._cluster, fleet, namespaces)
        status = fleet.status.model_copy(update={"models": ModelCount()})
        essence = {"metadata": _essence(fleet.metadata), "status": status}
        return replace(
            around,
            fleet=fleet.model_copy(update=essence),
            ray_service=_without_version(around.ray_service),
        )

    def _remember(self, key: Key, before: Seen | None, now: Seen | None) -> None:
        self._seen.pop(key, None)
        if before is not None:
            self._models[before.fleet].discard(key)
        if now is None:
            return
        self._seen[key] = now
        if key.kind == Model.__name__:
            self._models[now.fleet].add(key)
        if before is not None:
            _tell(key, before, now)


def reconciled_for(key: Key) -> Key:
    """Whose reconcile deals with a resource: a RayService is its Fleet's."""
    return key if key.kind == Model.__name__ else Key(Fleet.__name__, "", key.name)


def key_of(resource: Model | Fleet) -> Key:
    """The key of a resource."""
    return Key(resource.kind, resource.metadata.namespace or "", resource.metadata.name)


def _seen(resource: Model | Fleet | None) -> Seen | None:
    if resource is None:
        return None
    meta = resource.metadata
    fleet = resource.spec.fleet if isinstance(resource, Model) else meta.name
    return Seen(meta.uid, meta.generation, fleet, resource.status.conditions)


def _fleets(*seen: Seen | None) -> tuple[Key, ...]:
    names = {each.fleet for each in seen if each is not None}
    return tuple(Key(Fleet.__name__, "", name) for name in sorted(names))


def _asks_the_same(before: Seen, now: Seen) -> bool:
    return (before.uid, before.generation) == (now.uid, now.generation)


def _seeing_a_difference(
    before: ObservedFleet, now: ObservedFleet, models: frozenset[Key]
) -> frozenset[Key]:
    """All of them, or those of whom only the ledger tells something else."""
    if before.ledger is None or now.ledger is None:
        return models if before != now else frozenset()
    if replace(before, ledger=now.ledger) != now:
        return models
    told = _told_differently(before.ledger, now.ledger)
    return frozenset(key for key in models if f"{key.namespace}/{key.name}" in told)


def _told_differently(before: Ledger, now: Ledger) -> set[str]:
    keys = before.models.keys() | now.models.keys()
    return {key for key in keys if before.models.get(key) != now.models.get(key)}


def _without_version(service: RayService | None) -> RayService | None:
    if service is None:
        return None
    return service.model_copy(update={"metadata": _essence(service.metadata)})


def _essence(metadata: ObjectMeta) -> ObjectMeta:
    """Without what every write changes, also one that changes nothing that anybody reads."""
    return metadata.model_copy(update={"resource_version": "", "managed_fields": ()})


def _tell(key: Key, before: Seen, now: Seen) -> None:
    """A line in the log for whoever follows a resource: it became Ready, or why it did not."""
    was = find_condition(before.conditions, ConditionType.READY)
    ready = find_condition(now.conditions, ConditionType.READY)
    if ready is None or (was and (was.status, was.reason) == (ready.status, ready.reason)):
        return
    about = {"object": words_for(key), "generation": now.generation, "reason": ready.reason.value}
    words = "Ready" if ready.status == "True" else "not Ready"
    logger.info("%s is %s: %s", words_for(key), words, ready.message or ready.reason, extra=about)


def words_for(key: Key) -> str:
    """`Model ops/alarm-triage`, `Fleet default`."""
    return " ".join((key.kind, "/".join(part for part in (key.namespace, key.name) if part)))
