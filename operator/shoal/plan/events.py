"""Which transitions are worth telling: a condition that changed its status or its reason."""

from datetime import datetime

from shoal.api import Condition, ConditionType, Event, Fleet, Model, Reason, find_condition

_ASIDE = frozenset({ConditionType.RECONCILING, ConditionType.STALLED, ConditionType.PLACED})
# A replica that starts is no cause for a warning; a load that failed is.
_CALM = frozenset(
    {
        Reason.FLEET_NOT_READY,
        Reason.LOADING,
        Reason.PENDING,
        Reason.PROVISIONING,
        Reason.ROUTING,
        Reason.STARTING,
        Reason.SUSPENDED,
        Reason.UPGRADING,
    }
)


def transitions(
    resource: Model | Fleet, after: tuple[Condition, ...], now: datetime
) -> list[Event]:
    """One event for each reason that is new; equal words of several conditions are said once."""
    said: dict[Reason, Event] = {}
    for condition in after:
        before = find_condition(resource.status.conditions, condition.type)
        if condition.type not in _ASIDE and _essence(before) != _essence(condition):
            said.setdefault(condition.reason, _event(resource, condition, now))
    return list(said.values())


def _essence(condition: Condition | None) -> tuple[str, str] | None:
    return (condition.status, condition.reason) if condition is not None else None


def _event(resource: Model | Fleet, condition: Condition, now: datetime) -> Event:
    warning = condition.status == "False" and condition.reason not in _CALM
    return Event(
        kind=resource.kind,
        namespace=resource.metadata.namespace or "",
        name=resource.metadata.name,
        type="Warning" if warning else "Normal",
        reason=condition.reason,
        message=condition.message,
        first_timestamp=now,
        last_timestamp=now,
    )
