"""Kubernetes' label selectors (`metav1.LabelSelector`)."""

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import Field

from shoal.api.base import Spec
from shoal.api.metadata import LabelKey, LabelValue
from shoal.api.rules import Rule

# As many as the API server's budget for checking each of them allows, in a list of selectors too.
MAX_LABELS = 32
MAX_REQUIREMENTS = 16
MAX_VALUES = 32


class LabelRequirement(Spec):
    """One requirement on a label."""

    key: Annotated[LabelKey, Field(max_length=317)]
    """The label."""

    operator: Literal["In", "NotIn", "Exists", "DoesNotExist"]
    """How the label is compared. NotIn is also met where there is no such label."""

    values: Annotated[tuple[LabelValue, ...], Field(max_length=MAX_VALUES)] = ()
    """The values of operators In and NotIn."""

    rules = (
        Rule(
            "expected values with operators In and NotIn, and with no other",
            cel="(self.operator in ['In', 'NotIn']) == (has(self.values) && self.values != [])",
            holds=lambda said: (said.operator in ("In", "NotIn")) == bool(said.values),
        ),
    )

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Whether labels meet it, as Kubernetes decides: NotIn is also met by an absent label."""
        value = labels.get(self.key)
        if self.operator == "In":
            return value in self.values
        if self.operator == "NotIn":
            return value not in self.values
        return (value is not None) == (self.operator == "Exists")


class LabelSelector(Spec):
    """All of its requirements must be met; an empty one matches everything."""

    match_labels: Annotated[dict[LabelKey, LabelValue], Field(max_length=MAX_LABELS)] = Field(
        default_factory=dict
    )
    """Labels with exactly these values."""

    match_expressions: Annotated[
        tuple[LabelRequirement, ...], Field(max_length=MAX_REQUIREMENTS)
    ] = ()
    """Requirements on other labels."""

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Whether labels meet every requirement."""
        equal = all(labels.get(key) == value for key, value in self.match_labels.items())
        return equal and all(one.matches(labels) for one in self.match_expressions)
