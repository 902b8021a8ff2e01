"""What went wrong with the newest generation of a Model, by its replicas or else by Ray Serve."""

import re
from datetime import datetime

from shoal.api import ConditionType, Failure, Reason, ReplicaState, find_condition
from shoal.api.rayservice import ApplicationStatus
from shoal.plan.observed import DEPLOY_FAILED, ObservedModel
from shoal.plan.ray_states import message_of

_TRYING = frozenset(
    {
        Reason.PENDING,
        Reason.STARTING,
        Reason.LOADING,
        Reason.NO_ROOM,
        Reason.NO_ROOM_TO_SURGE,
        Reason.PODS_WAITING,
        Reason.UPGRADING,
    }
)
_COLOURS = re.compile(r"\x1b\[[0-9;]*m")


def failure_of(observed: ObservedModel, now: datetime) -> Failure | None:
    """The newest failure. What was known stays until something else happens."""
    reported = _reported(observed)
    if reported is not None:
        return reported
    loading = any(entry.state is ReplicaState.LOADING for entry in observed.current)
    if observed.application.status == DEPLOY_FAILED and not loading:
        return _deployment_failure(observed, now)
    return observed.known_failure


def last_words(application: ApplicationStatus) -> str:
    """The last line of the traceback that Ray Serve keeps for a deployment, or an application."""
    text = message_of(application) or application.message
    lines = _COLOURS.sub("", text).strip().splitlines()
    return lines[-1].strip()[:500] if lines else "Ray Serve could not start a replica."


def _reported(observed: ObservedModel) -> Failure | None:
    """The newest one of a replica that failed, or else of one that tries again."""
    failed = [entry for entry in observed.current if entry.state is ReplicaState.FAILED]
    for entries in (failed, observed.current):
        failures = [entry.failure for entry in entries if entry.failure is not None]
        if failures:
            return max(failures, key=lambda failure: failure.time)
    return None


def _deployment_failure(observed: ObservedModel, now: datetime) -> Failure:
    """A replica that never started says nothing itself; one that is gone said it before."""
    known = observed.known_failure
    loaded = find_condition(observed.model.status.conditions, ConditionType.LOADED)
    was_tried = loaded is not None and loaded.reason in _TRYING
    if known is not None and not was_tried:
        return known
    if known is not None and known.reason is not Reason.REPLICA_FAILED:
        return known.model_copy(update={"time": now})
    return Failure(
        reason=Reason.REPLICA_FAILED,
        message=last_words(observed.application),
        action="The replica's log says more: shoal logs model/" + observed.model.metadata.name,
        retriable=True,
        time=now,
    )
