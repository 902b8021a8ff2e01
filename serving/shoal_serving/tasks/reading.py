"""Reading what a client sent: names, texts and parameters, or `InvalidRequest` saying why not.

The rules that all tasks share. Text is Unicode: NUL and control characters are text, an empty text
is a text, half of a surrogate pair is not. No texts at all is a mistake.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np

from shoal.errors import InvalidRequest
from shoal_serving.tensors import DATATYPES, Array, Tensors

_KINDS: Mapping[type, str] = {
    bool: "a boolean",
    int: "a whole number",
    float: "a number",
    str: "a string",
    list: "an array",
    dict: "an object",
    type(None): "null",
}


MOST_CHARACTERS = 1_000_000
MOST_ITEMS = 4096


def text_of(value: Any, field: str) -> str:
    """`value`, where it is text that has a UTF-8 form, and not too long to be read in a request."""
    if not isinstance(value, str):
        raise expected(field, "a string", kind(value))
    if len(value) > MOST_CHARACTERS:
        raise expected(field, f"at most {MOST_CHARACTERS} characters", f"{len(value)}")
    if value.isascii():
        return value
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise expected(
            field, "Unicode text", f"half of a surrogate pair at character {error.start}"
        ) from error
    return value


def texts_of(value: Any, field: str) -> list[str]:
    """A string, or a non-empty array of strings, as a list."""
    if isinstance(value, str):
        return [text_of(value, field)]
    return [text_of(item, f"{field}[{i}]") for i, item in enumerate(items_of(value, field))]


def items_of(value: Any, field: str) -> list[Any]:
    """`value`, where it is a non-empty array."""
    if not isinstance(value, list):
        raise expected(field, "an array", kind(value))
    if not value:
        raise expected(field, "at least one element", "an empty array")
    if len(value) > MOST_ITEMS:
        raise expected(field, f"at most {MOST_ITEMS} elements", f"{len(value)}")
    return value


def fields_of(
    value: Any, field: str, required: Collection[str], optional: Collection[str] = ()
) -> Mapping[str, Any]:
    """`value`, where it is an object that has every required field, and none that is not named."""
    if not isinstance(value, dict):
        raise expected(field, "an object", kind(value))
    missing = [name for name in required if name not in value]
    unknown = [name for name in value if name not in required and name not in optional]
    if missing or unknown:
        names = ", ".join([*required, *optional])
        what = f"no {missing[0]!r}" if missing else f"{unknown[0]!r}"
        raise expected(field, f"the fields {names}", what)
    return value


def tensors_named(inputs: Tensors, names: Sequence[str], optional: Sequence[str] = ()) -> None:
    """Refuse a request that lacks one of these inputs, or has one that is not named."""
    listed = ", ".join([*names, *optional])
    for name in names:
        if name not in inputs:
            raise InvalidRequest(f"input '{name}' is missing; expected {listed}", name)
    for name in inputs:
        if name not in names and name not in optional:
            raise InvalidRequest(f"unknown input '{name}'; expected {listed}", name)


def texts_in(inputs: Tensors, name: str) -> list[str]:
    """The texts in a BYTES tensor of shape [n], n at least 1."""
    array = inputs[name]
    if array.dtype != np.object_ or array.ndim != 1:
        raise expected_tensor(name, "BYTES of shape [-1]", array)
    if not len(array):
        raise expected(f"input '{name}'", "at least one text", "none", name)
    if len(array) > MOST_ITEMS:
        raise expected(f"input '{name}'", f"at most {MOST_ITEMS} texts", f"{len(array)}", name)
    return [_decoded(value, name, i) for i, value in enumerate(array.tolist())]


def _decoded(value: Any, name: str, index: int) -> str:
    try:
        return str(value, "utf-8")
    except (TypeError, UnicodeDecodeError) as error:
        raise expected(f"input '{name}'[{index}]", "UTF-8 text", str(error), name) from error


class Parameters:
    """A request's parameters by name and type; one that is null is one that is absent."""

    def __init__(self, given: Any, known: Collection[str]) -> None:
        """Raises `InvalidRequest` for a name that is not one of `known`."""
        if given is None:
            given = {}
        if not isinstance(given, Mapping):
            raise expected("parameters", "an object", kind(given))
        for name in given:
            if name not in known:
                names = f"known are {', '.join(known)}" if known else "there are none here"
                raise InvalidRequest(f"unknown parameter '{name}'; {names}", name)
        self._given = given

    def text(self, name: str) -> str | None:
        value = self._given.get(name)
        return None if value is None else text_of(value, name)

    def flag(self, name: str) -> bool | None:
        value = self._given.get(name)
        if value is not None and not isinstance(value, bool):
            raise expected(name, "true or false", kind(value))
        return value

    def integer(self, name: str, least: int, most: int | None = None) -> int | None:
        value = self._given.get(name)
        if value is None:
            return None
        wanted = f"a whole number of at least {least}"
        if most is not None:
            wanted += f", at most {most}"
        if not isinstance(value, int) or isinstance(value, bool):
            raise expected(name, wanted, kind(value))
        if value < least or (most is not None and value > most):
            raise expected(name, wanted, str(value))
        return value

    def number(self, name: str, least: float, most: float, above: bool = False) -> float | None:
        """From `least` (or, with `above`, from anything above it) to `most`."""
        value = self._given.get(name)
        if value is None:
            return None
        span = f"above {least:g}, at most {most:g}" if above else f"from {least:g} to {most:g}"
        wanted = f"a number {span}"
        if not isinstance(value, int | float) or isinstance(value, bool):
            raise expected(name, wanted, kind(value))
        if not least <= value <= most or (above and value == least):
            raise expected(name, wanted, str(value))
        return float(value)

    def texts(self, name: str, most: int) -> tuple[str, ...]:
        """A text or an array of texts, at most so many; none of them is empty."""
        value = self._given.get(name)
        texts = [] if value is None or value == [] else texts_of(value, name)
        if len(texts) > most:
            raise expected(name, f"at most {most} texts", str(len(texts)))
        if "" in texts:
            raise expected(name, "texts that are not empty", "an empty one")
        return tuple(texts)

    def value(self, name: str) -> Any:
        """As it came."""
        return self._given.get(name)

    def choice(self, name: str, choices: Collection[str]) -> str | None:
        value = self._given.get(name)
        if value is not None and value not in tuple(choices):
            got = repr(value) if isinstance(value, str) else kind(value)
            raise expected(name, f"one of {', '.join(choices)}", got)
        return None if value is None else str(value)


def expected(field: str, wanted: str, got: str, param: str | None = None) -> InvalidRequest:
    """The error for a value that is not what it should be."""
    return InvalidRequest(f"{field}: expected {wanted}, got {got}", param or field)


def expected_tensor(name: str, wanted: str, array: Array) -> InvalidRequest:
    """The error for a tensor of another datatype or shape."""
    got = f"{DATATYPES.get(array.dtype, array.dtype)} of shape {list(array.shape)}"
    return expected(f"input '{name}'", wanted, got, name)


def kind(value: Any) -> str:
    """What a value is, in JSON's words."""
    return _KINDS.get(type(value), type(value).__name__)
