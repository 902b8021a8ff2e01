"""Kubernetes' label selectors (`metav1.LabelSelector`)."""

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from shoal.api.base import Spec
from shoal.api.metadata import LabelKey, LabelValue


class LabelRequirement(Spec):
    """One requirement on a label."""

    key: LabelKey
    operator: Literal["In", "NotIn", "Exists", "DoesNotExist"]
    values: Annotated[tuple[LabelValue, ...], Field(max_length=64)] = ()

    @model_validator(mode="after")
    def _values_where_they_count(self) -> "LabelRequirement":
        if (self.operator in ("In", "NotIn")) != bool(self.values):
            words = "expected values with operators In and NotIn, and with no other"
            raise PydanticCustomError("selector", words)
        return self

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

    match_labels: Annotated[dict[LabelKey, LabelValue], Field(max_length=64)] = Field(
        default_factory=dict
    )
    match_expressions: Annotated[tuple[LabelRequirement, ...], Field(max_length=64)] = ()

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Whether labels meet every requirement."""
        equal = all(labels.get(key) == value for key, value in self.match_labels.items())
        return equal and all(one.matches(labels) for one in self.match_expressions)
