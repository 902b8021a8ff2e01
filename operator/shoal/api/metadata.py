"""Names and labels, by Kubernetes' rules (RFC 1123, label syntax)."""

from datetime import datetime
from typing import Annotated, Any

from pydantic import Field

from shoal.api.base import Spec
from shoal.api.rules import Rule, matching

NAME = r"^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$"
LABEL_VALUE = r"^(([A-Za-z0-9][-A-Za-z0-9_.]{0,61})?[A-Za-z0-9])?$"
LABEL_KEY = (
    r"^([a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*/)?"
    r"([A-Za-z0-9][-A-Za-z0-9_.]{0,61})?[A-Za-z0-9]$"
)

# The metadata that people write; the rest is the API server's.
WRITTEN = ("name", "namespace", "labels", "annotations")


_ENDS = "letters, digits, '-', '_' and '.', at most 63, a letter or digit at each end"
_KEY = "a key such as team or example.com/team, at most 63 after the slash"
_NAME = "expected lower-case letters, digits and '-', at most 63 (RFC 1123)"
_SHORT_PREFIX = Rule(
    "expected at most 253 characters before the slash",
    cel="!self.contains('/') || self.indexOf('/') <= 253",
    holds=lambda key: len(key.partition("/")[0]) <= 253 or "/" not in key,
)

Name = Annotated[str, Field(max_length=63), matching(NAME, _NAME)]
LabelKey = Annotated[str, matching(LABEL_KEY, f"expected {_KEY}"), _SHORT_PREFIX]
LabelValue = Annotated[str, Field(max_length=63), matching(LABEL_VALUE, f"expected {_ENDS}")]

# What the API server itself asks of the metadata of everything.
_ANNOTATIONS = Rule(
    "expected at most 256 KiB of annotations",
    cel="",
    holds=lambda said: sum(len(key) + len(value) for key, value in said.items()) <= 256 * 1024,
)


class ObjectMeta(Spec):
    """`metadata`: what a person may write, and what the API server adds."""

    name: Name
    namespace: Name | None = None
    labels: dict[LabelKey, LabelValue] = Field(default_factory=dict)
    annotations: Annotated[dict[LabelKey, str], _ANNOTATIONS] = Field(default_factory=dict)
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
