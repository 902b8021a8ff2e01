"""How the upgrade of a Fleet goes: which Models its new Ray cluster cannot serve yet, and why."""

from collections.abc import Iterator

from shoal.api import ConditionType, Reason, is_true
from shoal.api.rayservice import ApplicationStatus
from shoal.plan.failures import last_words
from shoal.plan.observed import DEPLOY_FAILED, ObservedFleet, application_of, key_of
from shoal.plan.ray_states import waits_for_room
from shoal.plan.refusal import Refusal

_NAMED = 3


def upgrade_words(observed: ObservedFleet, trouble: Refusal | None) -> str:
    """`trouble` is that of the new Ray cluster's pods."""
    held = [*_held_up(observed)]
    if not held:
        return Reason.UPGRADING.sentence + (f" {trouble.message}" if trouble is not None else "")
    more = f" So do {len(held) - _NAMED} more." if len(held) > _NAMED else ""
    return (
        f"The upgrade is held up; the old Ray cluster serves on. {' '.join(held[:_NAMED])}{more} "
        "Change these Models, or undo the change of the Fleet."
    )


def _held_up(observed: ObservedFleet) -> Iterator[str]:
    """Every Model that keeps the new Ray cluster from taking over, in a sentence. Those that serve
    nowhere do not: they are held back.
    """
    assert observed.ray_service is not None
    applications = observed.ray_service.status.pending_service_status.application_statuses
    for model in sorted(observed.models, key=key_of):
        why = _why(applications.get(application_of(model), ApplicationStatus()))
        if why and is_true(model.status.conditions, ConditionType.READY):
            yield f"Model {key_of(model)} {why}"


def _why(application: ApplicationStatus) -> str:
    if application.status == DEPLOY_FAILED:
        return f"fails in the new one: {last_words(application).rstrip('.')}."
    return "finds no room in the new one." if waits_for_room(application) else ""
