"""Names and labels, by Kubernetes' rules (RFC 1123, label syntax)."""

from datetime import datetime
from typing import Annotated, Any

from pydantic import AfterValidator, Field, StringConstraints
from pydantic_core import PydanticCustomError

from shoal.api.base import Spec

NAME = r"^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$"
LABEL_VALUE = r"^(([A-Za-z0-9][-A-Za-z0-9_.]{0,61})?[A-Za-z0-9])?$"
LABEL_KEY = (
    r"^([a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*/)?"
    r"([A-Za-z0-9][-A-Za-z0-9_.]{0,61})?[A-Za-z0-9]$"
)

# The metadata that people write; the rest is the API server's.
WRITTEN = ("name", "namespace", "labels", "annotations")


def _within_prefix_limit(key: str) -> str:
    if len(key.rpartition("/")[0]) > 253:
        raise PydanticCustomError("prefix", "expected at most 253 characters before the slash")
    return key


Name = Annotated[str, StringConstraints(pattern=NAME)]
LabelKey = Annotated[
    str, StringConstraints(pattern=LABEL_KEY), AfterValidator(_within_prefix_limit)
]
LabelValue = Annotated[str, StringConstraints(pattern=LABEL_VALUE)]


def _within_annotation_limit(annotations: dict[str, str]) -> dict[str, str]:
    if sum(len(key) + len(value) for key, value in annotations.items()) > 256 * 1024:
        raise PydanticCustomError("annotations", "expected at most 256 KiB of annotations")
    return annotations


class ObjectMeta(Spec):
    """`metadata`: what a person may write, and what the API server adds."""

    name: Name
    namespace: Name | None = None
    labels: dict[LabelKey, LabelValue] = Field(default_factory=dict)
    annotations: Annotated[dict[LabelKey, str], AfterValidator(_within_annotation_limit)] = Field(
        default_factory=dict
    )
    generation: int = 0
    uid: str = ""
    resource_version: str = ""
    creation_timestamp: datetime | None = None
    deletion_timestamp: datetime | None = None
    deletion_grace_period_seconds: int | None = None
    owner_references: tuple[dict[str, Any], ...] = ()
    finalizers: tuple[str, ...] = ()
    managed_fields: tuple[dict[str, Any], ...] = ()
    generate_name: str | None = None
    self_link: str | None = None
