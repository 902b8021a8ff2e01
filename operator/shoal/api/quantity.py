"""Kubernetes' own notations: quantities (`500m`, `2Gi`) and durations (`1m30s`).

Both stay the text that a person wrote, so a resource reads back as it was applied, and know their
value in SI units.
"""

import functools
import re
from decimal import Decimal
from typing import Annotated, Any

from pydantic import AfterValidator, GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

QUANTITY = (
    r"^([0-9]+(\.[0-9]*)?|\.[0-9]+)"
    r"(n|u|m|k|M|G|T|P|E|Ki|Mi|Gi|Ti|Pi|Ei|[eE][+-]?[0-9]{1,2})?$"
)
DURATION = r"^([0-9]{1,5}(h|m|s|ms)){1,4}$"

_DECIMAL = {"n": -9, "u": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
_BINARY = {"Ki": 10, "Mi": 20, "Gi": 30, "Ti": 40, "Pi": 50, "Ei": 60}
_SECONDS = {"h": Decimal(3600), "m": Decimal(60), "s": Decimal(1), "ms": Decimal("0.001")}

# Far beyond any machine, and well within what Ray's scheduler can count.
_MOST_CORES = 100_000
_MOST_BYTES = 2**48


class _Notation(str):
    """Text with a pattern and a value; a number is taken as its own text."""

    __slots__ = ()
    pattern = ""
    expected = ""

    @classmethod
    def __get_pydantic_core_schema__(cls, _: Any, __: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(
            cls._parse, serialization=core_schema.to_string_ser_schema()
        )

    @classmethod
    def __get_pydantic_json_schema__(
        cls, _: CoreSchema, __: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        return {"type": "string", "pattern": cls.pattern}

    @classmethod
    def _parse(cls, value: object) -> "_Notation":
        text = _text(value)
        if text is None or not re.fullmatch(cls.pattern, text):
            raise PydanticCustomError("notation", "expected {expected}", {"expected": cls.expected})
        return cls(text)


def _text(value: object) -> str | None:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    try:
        return str(value)
    except ValueError:  # a whole number of thousands of digits
        return None


class Quantity(_Notation):
    """A Kubernetes resource quantity, without a sign (`resource.Quantity`)."""

    __slots__ = ()
    pattern = QUANTITY
    expected = "a quantity such as 500m, 2 or 2Gi"

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
    pattern = DURATION
    expected = "a duration such as 500ms, 30s or 1m30s"

    @property
    def seconds(self) -> float:
        """In seconds."""
        parts = re.findall(r"([0-9]+)(ms|h|m|s)", self)
        return float(sum(int(number) * _SECONDS[unit] for number, unit in parts))


def _whole_millicores(quantity: Quantity) -> Quantity:
    cores = quantity.value
    if cores > _MOST_CORES or cores * 1000 % 1:
        raise PydanticCustomError("cores", "expected whole thousandths of a core, at most 100k")
    return quantity


def _whole_bytes(quantity: Quantity, least: int) -> Quantity:
    size = quantity.value
    if not least <= size <= _MOST_BYTES or size % 1:
        words = "expected whole bytes, from {least} to 256Ti"
        raise PydanticCustomError("bytes", words, {"least": least})
    return quantity


def _some_bytes(quantity: Quantity) -> Quantity:
    return _whole_bytes(quantity, 1)


def _any_bytes(quantity: Quantity) -> Quantity:
    return _whole_bytes(quantity, 0)


def _longer_than_nothing(duration: Duration) -> Duration:
    if not duration.seconds:
        raise PydanticCustomError("positive", "expected more than 0s")
    return duration


Cores = Annotated[Quantity, AfterValidator(_whole_millicores)]
ByteSize = Annotated[Quantity, AfterValidator(_some_bytes)]
ByteSizeOrZero = Annotated[Quantity, AfterValidator(_any_bytes)]
Timeout = Annotated[Duration, AfterValidator(_longer_than_nothing)]
