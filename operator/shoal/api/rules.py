"""What values must be beyond their types: said once, for Python and for the API server.

A rule stands on the type or the class that it is about (`Annotated[str, matching(...)]`, or
`Spec.rules`). pydantic checks it with `holds`; a CustomResourceDefinition carries its `cel`. Both
say the same sentence to whoever breaks it.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

VALIDATIONS = "x-kubernetes-validations"

# Words of CEL that our fields are called too; in a rule they are written `__word__`.
_RESERVED = frozenset({"namespace"})


@dataclass(frozen=True)
class Rule:
    """`cel` and `holds` are the same question about `self`; `message` says what to change.

    `field` is the one at fault, a path in camelCase; without it, it is the value itself. What is
    `forbidden` must be left out, rather than be another value. Without `cel`, it is something that
    an API server asks of everything anyway.
    """

    message: str
    cel: str
    holds: Callable[[Any], bool]
    field: str = ""
    forbidden: bool = False

    def check(self, value: Any) -> Any:
        """The value; a PydanticCustomError if the rule does not hold for it."""
        if not self.holds(value):
            said = {"message": self.message, "field": self.field, "forbidden": self.forbidden}
            raise PydanticCustomError("rule", "{message}", said)
        return value

    @property
    def validation(self) -> dict[str, str]:
        """As `x-kubernetes-validations` has it (`apiextensions.k8s.io/v1` ValidationRule)."""
        said = {"rule": self.cel, "message": self.message}
        if self.field:
            said["fieldPath"] = f".{self.field}"
        if self.forbidden:
            said["reason"] = "FieldValueForbidden"
        return said

    def __get_pydantic_core_schema__(self, kind: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_after_validator_function(self.check, handler(kind))

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        return with_validations(handler(schema), (self,))


def with_validations(schema: dict[str, Any], rules: Sequence[Rule]) -> dict[str, Any]:
    """A JSON schema that says rules too, after those that it says already."""
    more = [rule.validation for rule in rules if rule.cel]
    said = [*schema.get(VALIDATIONS, ()), *more]
    return {**schema, VALIDATIONS: said} if said else schema


def matching(pattern: str, message: str, of: str = "self") -> Rule:
    """All of a text matches a pattern, which RE2 and Python read alike.

    `of` is the text in CEL, where `self` is a number too.
    """
    expression = re.compile(pattern)
    return Rule(
        message,
        cel=f"{of}.matches(r'{pattern}')",
        holds=lambda text: expression.fullmatch(text) is not None,
    )


def changeless(field: str, message: str) -> Rule:
    """A field that stays as it was made, or left out. Only an API server knows what it was."""
    name = f"__{field}__" if field in _RESERVED else field
    kept = f"has(self.{name}) == has(oldSelf.{name})"
    same = f"(!has(self.{name}) || self.{name} == oldSelf.{name})"
    return Rule(message, f"{kept} && {same}", lambda _: True, field, forbidden=True)


@dataclass(frozen=True)
class ListMap:
    """A list whose items are told apart by one of their fields (`x-kubernetes-list-type: map`)."""

    key: str

    def check(self, items: tuple[Any, ...]) -> tuple[Any, ...]:
        """The items; a PydanticCustomError if two have the same key."""
        keys = [getattr(item, self.key) for item in items]
        again = [at for at, key in enumerate(keys) if key in keys[:at]]
        if again:
            said = {"at": again[0], "key": {self.key: keys[again[0]]}}
            raise PydanticCustomError("duplicate", "duplicate", said)
        return items

    def __get_pydantic_core_schema__(self, kind: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_after_validator_function(self.check, handler(kind))

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        said = {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": [self.key]}
        return {**handler(schema), **said}
