"""A Lease (`coordination.k8s.io/v1`): who leads among the processes of one operator."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import PlainSerializer

from shoal.api.base import Wire
from shoal.api.metadata import ObjectMeta

MicroTime = Annotated[
    datetime,
    PlainSerializer(
        lambda time: time.isoformat(timespec="microseconds").replace("+00:00", "Z"),
        when_used="json",
    ),
]


class LeaseSpec(Wire):
    """Times are by the clock of whoever wrote them, and are for people to read."""

    holder_identity: str | None = None
    lease_duration_seconds: int | None = None
    acquire_time: MicroTime | None = None
    renew_time: MicroTime | None = None
    lease_transitions: int | None = None


class Lease(Wire):
    """Held by whom its spec names, for as long as that one goes on changing it."""

    api_version: Literal["coordination.k8s.io/v1"] = "coordination.k8s.io/v1"
    kind: Literal["Lease"] = "Lease"
    metadata: ObjectMeta
    spec: LeaseSpec = LeaseSpec()
