"""Writing a status: whole, to the status subresource, and to the very object that it is of.

A JSON patch can test the uid first. A merge patch or an apply cannot: the subresource ignores what
they say of metadata, and would give the status to whatever has the name now.
"""

from datetime import datetime
from typing import Any

from shoal.api import Condition, ConditionType, Fleet, Model, RayService, Reason
from shoal.cluster.kube.answers import Refused, is_gone
from shoal.cluster.kube.api import FIELD_MANAGER, JSON_PATCH, Api
from shoal.cluster.kube.kinds import Kind
from shoal.cluster.kube.store import Raw, Unreadable


async def write_status(api: Api, kind: Kind, resource: Model | Fleet | RayService) -> Raw | None:
    """The server's answer; None if that object is gone, whoever has its name now.

    Raises:
        WorldUnavailable: the server refused, or did not answer.
    """
    meta = resource.metadata
    name = (meta.namespace or "", meta.name)
    return await _patch(api, kind, name, meta.uid, status_of(resource))


def status_of(resource: Model | Fleet | RayService) -> Raw:
    """As it is written."""
    return resource.status.model_dump(mode="json", by_alias=True, exclude_none=True)


async def object_to(api: Api, kind: Kind, one: Unreadable, now: datetime) -> bool:
    """Tell in its status that an object breaks the contract; whether that was news."""
    problem = "; ".join(one.error.problems)
    accepted = _accepted(one, problem)
    if accepted is None:
        return False
    said = (ConditionType.ACCEPTED, ConditionType.READY)
    refused = [_condition(one, each, "False", problem, now) for each in said]
    stalled = _condition(one, ConditionType.STALLED, "True", problem, now)
    status = {"observedGeneration": one.generation, "conditions": [*refused, stalled]}
    return await _patch(api, kind, (one.namespace, one.name), one.uid, status) is not None


def _accepted(one: Unreadable, problem: str) -> str | None:
    """The problem, unless its status tells of it already."""
    words = ("Accepted", "False", str(Reason.INVALID_SPEC), problem, one.generation)
    fields = ("type", "status", "reason", "message", "observedGeneration")
    told = any(tuple(each.get(field) for field in fields) == words for each in one.conditions)
    return None if told else problem


def _condition(
    one: Unreadable, kind: ConditionType, status: Any, problem: str, now: datetime
) -> dict[str, Any]:
    condition = Condition(
        type=kind,
        status=status,
        reason=Reason.INVALID_SPEC,
        message=problem,
        observed_generation=one.generation,
        last_transition_time=now,
    )
    return condition.model_dump(mode="json", by_alias=True)


async def _patch(
    api: Api, kind: Kind, name: tuple[str, str], uid: str, status: object
) -> Raw | None:
    body = [
        {"op": "test", "path": "/metadata/uid", "value": uid},
        {"op": "add", "path": "/status", "value": status},
    ]
    query = {"fieldManager": FIELD_MANAGER}
    try:
        answer: Raw = await api.call(
            "patch", kind, *name, "status", query=query, body=body, content_type=JSON_PATCH
        )
    except Refused as error:
        if is_gone(error):
            return None
        raise
    return answer
