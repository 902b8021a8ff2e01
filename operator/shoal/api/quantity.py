"""Kubernetes' own notations: quantities (`500m`, `2Gi`) and durations (`1m30s`).

Both stay the text that a person wrote, so a resource reads back as it was applied, and know their
value in SI units.
"""

import functools
import re
from decimal import Decimal
from typing import Annotated, Any, ClassVar

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from shoal.api.rules import Rule, matching, with_validations

QUANTITY = (
    r"^([0-9]+(\.[0-9]*)?|\.[0-9]+)"
    r"(n|u|m|k|M|G|T|P|E|Ki|Mi|Gi|Ti|Pi|Ei|[eE][+-]?[0-9]{1,2})?$"
)
# Whole thousandths of a core, as far as the notation can tell; and whole bytes.
CORES = r"^([0-9]+(\.[0-9]{0,3})?|\.[0-9]{1,3}|[0-9]+[mk])$"
BYTES = (
    r"^([0-9]+|([0-9]+(\.[0-9]*)?|\.[0-9]+)"
    r"(k|M|G|T|P|E|Ki|Mi|Gi|Ti|Pi|Ei|[eE]\+?[0-9]{1,2}))$"
)
DURATION = r"^([0-9]{1,5}(h|m|s|ms)){1,4}$"
MOST_CHARACTERS = 32

_DECIMAL = {"n": -9, "u": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
_BINARY = {"Ki": 10, "Mi": 20, "Gi": 30, "Ti": 40, "Pi": 50, "Ei": 60}
_SECONDS = {"h": Decimal(3600), "m": Decimal(60), "s": Decimal(1), "ms": Decimal("0.001")}


class _Notation(str):
    """Text that keeps a rule. A whole number is taken as its own text where `types` says so."""

    __slots__ = ()
    types: ClassVar[dict[str, Any]] = {"type": "string"}
    rule: ClassVar[Rule]

    @classmethod
    def __get_pydantic_core_schema__(cls, _: Any, __: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(
            cls._parse, serialization=core_schema.to_string_ser_schema()
        )

    @classmethod
    def __get_pydantic_json_schema__(
        cls, _: CoreSchema, __: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        return with_validations({**cls.types, "maxLength": MOST_CHARACTERS}, (cls.rule,))

    @classmethod
    def _parse(cls, value: object) -> "_Notation":
        text = cls._text(value)
        if len(text) > MOST_CHARACTERS:
            raise PydanticCustomError("string_too_long", "", {"max_length": MOST_CHARACTERS})
        return cls(cls.rule.check(text))

    @classmethod
    def _text(cls, value: object) -> str:
        if isinstance(value, str):
            return value
        raise PydanticCustomError("string_type", "")


class Quantity(_Notation):
    """A Kubernetes resource quantity, without a sign (`resource.Quantity`)."""

    __slots__ = ()
    types: ClassVar = {"x-kubernetes-int-or-string": True}
    rule = matching(QUANTITY, "expected a quantity such as 500m, 2 or 2Gi", of="string(self)")

    @classmethod
    def _text(cls, value: object) -> str:
        if isinstance(value, str):
            return value
        # More digits than this are too long anyway, and Python does not write thousands of them.
        if isinstance(value, int) and not isinstance(value, bool):
            return str(value) if abs(value) < 10**MOST_CHARACTERS else "9" * (MOST_CHARACTERS + 1)
        raise PydanticCustomError("int_or_string_type", "")

    @property
    def value(self) -> Decimal:
        """In units: cores for a CPU quantity, bytes for a memory quantity."""
        return _in_units(str(self))


@functools.lru_cache(maxsize=4096)  # The same few are asked for all the time.
def _in_units(text: str) -> Decimal:
    number, suffix = re.fullmatch(r"([0-9.]+)(.*)", text).groups()  # type: ignore[union-attr]
    if suffix in _BINARY:
        return Decimal(number) * Decimal(2 ** _BINARY[suffix])
    exponent = _DECIMAL[suffix] if suffix in _DECIMAL else int(suffix[1:])
    return Decimal(number).scaleb(exponent)


class Duration(_Notation):
    """A duration as Gateway API writes it (GEP-2257): `30s`, `1m30s`, `500ms`."""

    __slots__ = ()
    rule = matching(DURATION, "expected a duration such as 500ms, 30s or 1m30s")

    @property
    def seconds(self) -> float:
        """In seconds."""
        parts = re.findall(r"([0-9]+)(ms|h|m|s)", self)
        return float(sum(int(number) * _SECONDS[unit] for number, unit in parts))


def _between(message: str, pattern: str, least: str, most: str) -> Rule:
    """Text in a notation, and a value within bounds. What is no quantity at all is said before."""
    expression = re.compile(pattern)
    low, high = Quantity(least).value, Quantity(most).value
    value = "quantity(string(self))"
    return Rule(
        message.format(least=least, most=most),
        cel=(
            f"!isQuantity(string(self)) || (string(self).matches(r'{pattern}')"
            f" && {value}.compareTo(quantity('{least}')) >= 0"
            f" && {value}.compareTo(quantity('{most}')) <= 0)"
        ),
        holds=lambda said: bool(expression.fullmatch(said)) and low <= said.value <= high,
    )


_CORES = "expected whole thousandths of a core such as 500m, 1.5 or 2, at most {most}"
_BYTES = "expected whole bytes such as 512Mi or 2Gi, from {least} to {most}"
_SOME = Rule("expected more than 0s", "self.matches('[1-9]')", lambda said: said.seconds > 0)

# The bounds are far beyond any machine, and well within what Ray's scheduler can count.
Cores = Annotated[Quantity, _between(_CORES, CORES, "0", "100k")]
ByteSize = Annotated[Quantity, _between(_BYTES, BYTES, "1", "256Ti")]
ByteSizeOrZero = Annotated[Quantity, _between(_BYTES, BYTES, "0", "256Ti")]
Timeout = Annotated[Duration, _SOME]
