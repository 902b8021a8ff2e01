"""What every type of the contract shares: camelCase on the wire, strict specs, lenient reports."""

from collections.abc import Mapping
from typing import Any, ClassVar, Self

from pydantic import BaseModel, ConfigDict, GetJsonSchemaHandler, model_validator
from pydantic.alias_generators import to_camel
from pydantic_core import CoreSchema

from shoal.api.rules import Rule, with_validations

GROUP = "shoal.dev"
VERSION = "v1alpha1"
API_VERSION = f"{GROUP}/{VERSION}"


class Spec(BaseModel):
    """What a person writes: unknown fields are refused, and `rules` hold for what is known."""

    rules: ClassVar[tuple[Rule, ...]] = ()

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        alias_generator=to_camel,
        populate_by_name=True,
        serialize_by_alias=True,
    )

    @model_validator(mode="before")
    @classmethod
    def _null_is_absent(cls, said: Any) -> Any:
        """As an API server has it: a field without a value takes its default."""
        if not isinstance(said, Mapping):
            return said
        return {field: value for field, value in said.items() if value is not None}

    @model_validator(mode="after")
    def _keeps_the_rules(self) -> Self:
        for rule in self.rules:
            rule.check(self)
        return self

    @classmethod
    def __get_pydantic_json_schema__(
        cls, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        said = handler.resolve_ref_schema(handler(schema))
        return with_validations(said, cls.rules)


class OneOf(Spec):
    """A union as Kubernetes writes it: exactly one of the fields is said."""

    @classmethod
    def __pydantic_init_subclass__(cls, **_: Any) -> None:
        names = [field.alias or name for name, field in cls.model_fields.items()]
        said = ", ".join(f"has(self.{name})" for name in names)
        rule = Rule(
            f"expected exactly one of: {', '.join(names)}",
            cel=f"[{said}].exists_one(said, said)",
            holds=lambda union: sum(value is not None for _, value in union) == 1,
        )
        cls.rules = (rule,)


class Wire(BaseModel):
    """What a program reports: unknown fields are ignored, so two versions understand each other."""

    model_config = ConfigDict(
        extra="ignore",
        frozen=True,
        alias_generator=to_camel,
        populate_by_name=True,
        serialize_by_alias=True,
    )
