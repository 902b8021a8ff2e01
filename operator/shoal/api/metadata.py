"""Names and labels, by Kubernetes' rules (RFC 1123, label syntax)."""

from datetime import datetime
from typing import Annotated, Any

from pydantic import Field

from shoal.api.base import Spec
from shoal.api.rules import Rule, matching

NAME = r"^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$"
SUBDOMAIN = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$"
LABEL_VALUE = r"^(([A-Za-z0-9][-A-Za-z0-9_.]{0,61})?[A-Za-z0-9])?$"
LABEL_KEY = (
    r"^([a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*/)?"
    r"([A-Za-z0-9][-A-Za-z0-9_.]{0,61})?[A-Za-z0-9]$"
)
# An API server looks at these in lower case.
ANNOTATION_KEY = LABEL_KEY.replace("a-z0-9", "A-Za-z0-9").replace("A-ZA-Z", "A-Z")

# The metadata that people write; the rest is the API server's.
WRITTEN = ("name", "namespace", "labels", "annotations")

LABEL_WORDS = (
    "expected letters, digits, '-', '_' and '.', at most 63, a letter or digit at each end"
)
_KEY = "expected a key such as team or example.com/team, at most 63 after the slash"
_NAME = "expected lower-case letters, digits and '-', at most 63 (RFC 1123)"
_SUBDOMAIN = "expected lower-case letters, digits, '-' and '.', at most 253 (RFC 1123)"
_SHORT_PREFIX = Rule(
    "expected at most 253 characters before the slash",
    cel="!self.contains('/') || self.indexOf('/') <= 253",
    holds=lambda key: len(key.partition("/")[0]) <= 253 or "/" not in key,
)

Name = Annotated[str, Field(max_length=63), matching(NAME, _NAME)]
# What Secrets, claims and classes may be called, which are not ours.
Subdomain = Annotated[str, Field(max_length=253), matching(SUBDOMAIN, _SUBDOMAIN)]
LabelKey = Annotated[str, Field(max_length=253 + 1 + 63), matching(LABEL_KEY, _KEY), _SHORT_PREFIX]
AnnotationKey = Annotated[
    str, Field(max_length=253 + 1 + 63), matching(ANNOTATION_KEY, _KEY), _SHORT_PREFIX
]
LabelValue = Annotated[str, Field(max_length=63), matching(LABEL_VALUE, LABEL_WORDS)]

# What the API server itself asks of the metadata of everything.
_ANNOTATIONS = Rule(
    "expected at most 256 KiB of annotations",
    cel="",
    holds=lambda said: sum(len(key) + len(value) for key, value in said.items()) <= 256 * 1024,
)


class ObjectMeta(Spec):
    """`metadata`: what a person may write, and what the API server adds."""

    name: Name
    """What it is called within its namespace, if it has one."""

    namespace: Name | None = None
    labels: dict[LabelKey, LabelValue] = Field(default_factory=dict)
    annotations: Annotated[dict[AnnotationKey, str], _ANNOTATIONS] = Field(default_factory=dict)
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
