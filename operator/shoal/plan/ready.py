"""The condition `Ready`: the URL answers.

True once everything that is wanted was loaded and the URL answered; then for as long as anything
serves. Its `observedGeneration` is the generation that is served, so whoever waits for the newest
one waits until that is the one.
"""

from shoal.api import Condition, ConditionType, Reason, find_condition
from shoal.plan.conditions import condition
from shoal.plan.observed import ObservedFleet, ObservedModel
from shoal.plan.proof import UNPROVEN, was_served
from shoal.plan.scaling import may_be_idle

_UNDERWAY = frozenset(
    {
        Reason.PENDING,
        Reason.STARTING,
        Reason.LOADING,
        Reason.FLEET_NOT_READY,
        Reason.UPGRADING,
    }
)


def ready_condition(observed: ObservedModel, fleet: ObservedFleet, loaded: Condition) -> Condition:
    """`loaded` is the condition of that name, as it is now."""
    before = _before(observed)
    was_ready = before is not None and before.status == "True"
    if not fleet.reachable:
        return _cut_off(observed, before, _silence(fleet))
    if observed.report is None and not was_ready:
        return _cut_off(observed, before, "The Fleet's ledger does not answer yet.")
    served = _served_generation(observed, before, loaded)
    if served is None:
        return _ready(observed, False, loaded.reason, loaded.message)
    if not was_ready and not observed.answers and loaded.reason is not Reason.IDLE:
        return _ready(observed, False, Reason.ROUTING, "The URL does not answer yet.", served)
    return _ready(observed, True, *_how(observed, loaded, served), served)


def _before(observed: ObservedModel) -> Condition | None:
    """The condition as it was, unless another Fleet may have earned it: one that never told of the
    Model never served it.
    """
    before = find_condition(observed.model.status.conditions, ConditionType.READY)
    newest = observed.model.metadata.generation
    same = before is not None and before.observed_generation == newest
    return before if same or observed.told is not None else None


def _cut_off(observed: ObservedModel, before: Condition | None, message: str) -> Condition:
    """Nothing is learnt of any generation meanwhile; which one was served is not forgotten."""
    known = before is not None and (before.status == "True" or before.reason in UNPROVEN)
    served = before.observed_generation if before is not None and known else None
    return _ready(observed, False, Reason.FLEET_NOT_READY, message, served)


def _silence(fleet: ObservedFleet) -> str:
    """The Fleet's own reason may say more; its message changes too often to be told here."""
    ready = find_condition(fleet.fleet.status.conditions, ConditionType.READY)
    known = ready is not None and ready.status == "False"
    if ready is None or not known or ready.reason is Reason.CLUSTER_UNREACHABLE:
        return f"{fleet.address} does not answer."
    name = fleet.fleet.metadata.name
    return f"{fleet.address} does not answer; Fleet {name!r} says {ready.reason}."


def _served_generation(
    observed: ObservedModel, before: Condition | None, loaded: Condition
) -> int | None:
    """The generation that is served for good; None if none is."""
    newest = observed.model.metadata.generation
    if loaded.status == "True":
        return newest
    if observed.report is None:
        return before.observed_generation if before is not None else None
    lowest = min((entry.served_generation or 0 for entry in observed.answering), default=None)
    if lowest is None:
        return newest if _wakes(observed, loaded) else None
    if lowest < newest:
        return lowest
    # All that serve do so with the newest generation, but they are fewer than are wanted.
    served = before is not None and was_served(observed.model, before)
    return before.observed_generation if before is not None and served else None


def _wakes(observed: ObservedModel, loaded: Condition) -> bool:
    """Whether requests wait for a replica of a Model that was idle."""
    return loaded.reason in _UNDERWAY and may_be_idle(observed.model)


def _how(observed: ObservedModel, loaded: Condition, served: int) -> tuple[Reason, str]:
    if loaded.status == "True":
        return (Reason.IDLE if loaded.reason is Reason.IDLE else Reason.READY), ""
    older = served < observed.model.metadata.generation
    underway = older and loaded.reason in _UNDERWAY
    return (Reason.ROLLING_OUT if underway else loaded.reason), loaded.message


def _ready(
    observed: ObservedModel, true: bool, reason: Reason, message: str, served: int | None = None
) -> Condition:
    now = condition(observed.model, ConditionType.READY, true, reason, message)
    return now if served is None else now.model_copy(update={"observed_generation": served})
