"""The condition `Loaded`: whether every wanted replica proved the newest generation, or why not."""

from collections.abc import Callable

from shoal.api import (
    Condition,
    ConditionType,
    Failure,
    RayService,
    Reason,
    ReplicaState,
    find_condition,
)
from shoal.api.ledger import ReplicaReport
from shoal.plan.conditions import condition
from shoal.plan.held_back import is_held_back
from shoal.plan.observed import DEPLOY_FAILED, ObservedModel
from shoal.plan.ray_states import is_upgrading, refusal_of, waits_for_room
from shoal.plan.room import Cause, no_room
from shoal.plan.scaling import is_idle, wanted_replicas


def loaded_condition(observed: ObservedModel, failure: Failure | None) -> Condition:
    """`failure` is what is known to have gone wrong with the newest generation."""
    if observed.report is None:
        return _unread(observed)
    model = observed.model
    if is_idle(observed):
        return condition(model, ConditionType.LOADED, True, Reason.IDLE)
    ready = sum(entry.state is ReplicaState.READY for entry in observed.current)
    wanted = wanted_replicas(observed)
    if ready >= wanted:
        return condition(model, ConditionType.LOADED, True, Reason.LOADED)
    reason, why = _cause(observed, failure)
    message = f"{ready} of {wanted} replicas loaded generation {model.metadata.generation}; {why}"
    return condition(model, ConditionType.LOADED, False, reason, message)


def _unread(observed: ObservedModel) -> Condition:
    """While the ledger is silent the replicas may serve on: what was known stays, if any was."""
    model = observed.model
    known = find_condition(model.status.conditions, ConditionType.LOADED)
    newest = known is not None and known.observed_generation == model.metadata.generation
    if known is not None and newest and observed.fleet is not None and observed.fleet.reachable:
        return known
    message = "The Fleet's ledger does not answer yet."
    return condition(model, ConditionType.LOADED, False, Reason.FLEET_NOT_READY, message)


def _cause(observed: ObservedModel, failure: Failure | None) -> Cause:
    said = (cause(observed, failure) for cause in CAUSES)
    return next((cause for cause in said if cause), (Reason.STARTING, "replicas are being started"))


def _replica_failed(observed: ObservedModel, failure: Failure | None) -> Cause | None:
    failed = any(entry.state is ReplicaState.FAILED for entry in observed.current)
    return _told(failure) if failed and failure is not None else None


def _loading(observed: ObservedModel, _: Failure | None) -> Cause | None:
    entries = (entry for entry in observed.current if entry.state is ReplicaState.LOADING)
    entry = next(entries, None)
    return (Reason.LOADING, _step(entry)) if entry is not None else None


def _refused(observed: ObservedModel, _: Failure | None) -> Cause | None:
    if not refusal_of(_service(observed)):
        return None
    return Reason.CONFIGURATION_REFUSED, "Ray Serve refused the Fleet's configuration"


def _held_back(observed: ObservedModel, failure: Failure | None) -> Cause | None:
    """Why is remembered by its status: left out, nobody says it any more."""
    before = find_condition(observed.model.status.conditions, ConditionType.LOADED)
    if before is None or observed.is_told or not is_held_back(observed):
        return None
    known = failure is not None and failure.reason is before.reason
    why = f"{failure.message} {failure.action}" if failure and known else before.reason.sentence
    return before.reason, f"{why} It is tried again when the Fleet's new Ray cluster serves."


def _untold(observed: ObservedModel, _: Failure | None) -> Cause | None:
    return None if observed.is_told else (Reason.PENDING, "the Fleet was not told of it yet")


def _gave_up(observed: ObservedModel, failure: Failure | None) -> Cause | None:
    failed = observed.application.status == DEPLOY_FAILED
    return _told(failure) if failed and failure is not None else None


def _no_room(observed: ObservedModel, _: Failure | None) -> Cause | None:
    if not waits_for_room(observed.application):
        return None
    newest = observed.model.metadata.generation
    served = (entry.served_generation or 0 for entry in observed.answering)
    return no_room(observed, surge=any(generation < newest for generation in served))


def _elsewhere(observed: ObservedModel, _: Failure | None) -> Cause | None:
    """Only the Ray cluster that is being started is told of changes; the ledger is of the other."""
    if observed.current or not is_upgrading(_service(observed)):
        return None
    return Reason.UPGRADING, "the Fleet is moving to a new Ray cluster, which is told of it"


def _service(observed: ObservedModel) -> RayService | None:
    return observed.fleet.ray_service if observed.fleet is not None else None


CAUSES: tuple[Callable[[ObservedModel, Failure | None], Cause | None], ...] = (
    _replica_failed,
    _loading,
    _refused,
    _held_back,
    _untold,
    _gave_up,
    _no_room,
    _elsewhere,
)


def _told(failure: Failure) -> Cause:
    return failure.reason, f"{failure.message} {failure.action}"


_BYTES = frozenset({"copy", "download", "unpack"})


def _step(entry: ReplicaReport) -> str:
    """`download 12.3/45.6 MiB`, `warm 3/6`, or `loading`."""
    progress = entry.progress
    if progress is None:
        return "loading"
    if progress.total is None:
        return progress.step
    if progress.step not in _BYTES:
        return f"{progress.step} {progress.done}/{progress.total}"
    done, total = progress.done / 2**20, progress.total / 2**20
    return f"{progress.step} {done:.1f}/{total:.1f} MiB"
