"""What the system says of a resource: who it is, its generation, its status.

A record lies beside the manifest. It also holds the manifest as it was last understood: that is
how a spec edited by hand is noticed, and what is served on while such an edit makes no sense.
"""

import uuid
from datetime import datetime
from typing import Any, cast

from pydantic import Field, ValidationError

from shoal.api import Fleet, Model, RayService
from shoal.api.base import Wire
from shoal.api.metadata import WRITTEN
from shoal.cluster import Resource


class SystemMeta(Wire):
    """The metadata that nobody writes by hand."""

    uid: str
    generation: int = 1
    resource_version: str = "1"
    creation_timestamp: datetime


class Record(Wire):
    """One status file."""

    metadata: SystemMeta
    accepted: dict[str, Any] = Field(default_factory=dict)
    status: dict[str, Any] = Field(default_factory=dict)


def manifest_of(resource: Model | Fleet | RayService) -> dict[str, Any]:
    """What a person said, and nothing that was filled in."""
    return {
        "apiVersion": resource.api_version,
        "kind": resource.kind,
        "metadata": resource.metadata.model_dump(
            mode="json", include=set(WRITTEN), exclude_defaults=True
        ),
        "spec": resource.spec.model_dump(mode="json", exclude_unset=True),
    }


def same(one: Resource, other: Resource) -> bool:
    """Whether both ask for the same, said or by default."""
    return (one.metadata.labels, one.metadata.annotations, one.spec) == (
        other.metadata.labels,
        other.metadata.annotations,
        other.spec,
    )


def settled(record: Record | None, said: Resource, now: datetime) -> Record:
    """The record that fits what is said: a new one, a newer one, or the very same one."""
    manifest = manifest_of(said)
    if record is None:
        return Record(metadata=_born(now), accepted=manifest)
    if record.accepted == manifest:
        return record
    before = accepted(record, type(said))
    step = 0 if before is not None and before.spec == said.spec else 1
    meta = _touched(record.metadata, step)
    return record.model_copy(update={"metadata": meta, "accepted": manifest})


def accepted(record: Record, kind: type[Resource]) -> Resource | None:
    """The resource as it was last understood; None if this version cannot read it any more."""
    try:
        return cast("Resource", kind.model_validate(record.accepted))
    except ValidationError:
        return None


def with_status(record: Record, status: dict[str, Any]) -> Record:
    """The record with another status; the very same one if it is equal."""
    if record.status == status:
        return record
    return record.model_copy(update={"metadata": _touched(record.metadata), "status": status})


def joined(said: Resource, record: Record) -> Resource:
    """The resource as an API server would give it."""
    system = {name: getattr(record.metadata, name) for name in SystemMeta.model_fields}
    metadata = said.metadata.model_copy(update=system)
    status = type(said.status).model_validate(record.status)
    return altered(said, metadata=metadata, status=status)


def altered(resource: Resource, **changes: Any) -> Resource:
    """A copy with other fields."""
    return cast("Resource", resource.model_copy(update=changes))


def _born(now: datetime) -> SystemMeta:
    return SystemMeta(uid=str(uuid.uuid4()), creation_timestamp=now.replace(microsecond=0))


def _touched(meta: SystemMeta, step: int = 0) -> SystemMeta:
    return meta.model_copy(
        update={
            "generation": meta.generation + step,
            "resource_version": str(int(meta.resource_version) + 1),
        }
    )
