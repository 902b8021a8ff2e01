"""Which Models are left out of the configuration while a Ray cluster is being started.

KubeRay moves a Fleet to its new Ray cluster only once every application runs there. A Model that
serves nowhere and cannot be loaded, or finds no room, would hold all others up for ever: it is left
out, and comes back when the Fleet has moved. One that serves in the old Ray cluster and fails in
the new one is not: it holds the upgrade up, so that it serves on.
"""

from shoal.api import ConditionType, Reason, find_condition, is_true
from shoal.plan.observed import DEPLOY_FAILED, RUNNING, ObservedModel
from shoal.plan.ray_states import is_starting

_NO_ROOM = frozenset({Reason.NO_ROOM, Reason.PODS_WAITING})


def is_held_back(observed: ObservedModel) -> bool:
    """By the Model's own status, which remembers why: left out, nobody says it any more."""
    service = observed.fleet.ray_service if observed.fleet is not None else None
    if not is_starting(service) or _serves(observed):
        return False
    loaded = find_condition(observed.model.status.conditions, ConditionType.LOADED)
    newest = observed.model.metadata.generation
    if loaded is None or loaded.status == "True" or loaded.observed_generation != newest:
        return False
    if loaded.reason in _NO_ROOM:
        return not observed.is_told or observed.application.status != RUNNING
    failure = observed.known_failure
    failed = failure is not None and failure.reason is loaded.reason
    return failed and (not observed.is_told or observed.application.status == DEPLOY_FAILED)


def _serves(observed: ObservedModel) -> bool:
    ready = is_true(observed.model.status.conditions, ConditionType.READY)
    return ready or bool(observed.answering)
