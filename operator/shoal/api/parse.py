"""Manifests in, resources out; what is wrong is said with path, value and what was expected.

The words are those of a Kubernetes API server that knows our CustomResourceDefinitions.
"""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from shoal.api.base import API_VERSION
from shoal.api.fields import fields_at
from shoal.api.fleet import Fleet
from shoal.api.kinds import KINDS, Kind
from shoal.api.model import Model
from shoal.errors import InvalidResource

_KINDS: Mapping[str, Kind] = {kind.type.__name__: kind for kind in KINDS}


def parse_resource(manifest: object) -> Model | Fleet:
    """Read one manifest. Its status is left aside: that is not for people to say.

    Raises:
        InvalidResource: it breaks the contract; every problem is named at once.
    """
    if not isinstance(manifest, Mapping):
        raise InvalidResource("manifest", (f"expected a map, got {_shown(manifest)}",))
    kind = _kind(manifest).type
    said = {field: value for field, value in manifest.items() if field != "status"}
    try:
        # In a manifest a field has its camelCase name only.
        resource = kind.model_validate(said, by_alias=True, by_name=False)
    except ValidationError as error:
        raise InvalidResource(_title(manifest), _problems(kind, error)) from error
    _check_scope(resource)
    return resource


def _kind(manifest: Mapping[str, Any]) -> Kind:
    version, kind = manifest.get("apiVersion"), manifest.get("kind")
    if version != API_VERSION:
        problem = _wrong("apiVersion", version, API_VERSION)
        raise InvalidResource(_title(manifest), (problem,))
    if not isinstance(kind, str) or kind not in _KINDS:
        problem = _wrong("kind", kind, f"one of {', '.join(_KINDS)}")
        raise InvalidResource(_title(manifest), (problem,))
    return _KINDS[kind]


def _wrong(field: str, value: object, expected: str) -> str:
    what = "Required value" if value is None else f"Invalid value: {_shown(value)}"
    return f"{field}: {what}: expected {expected}"


def _check_scope(resource: Model | Fleet) -> None:
    if not _KINDS[resource.kind].namespaced and resource.metadata.namespace is not None:
        problem = f"metadata.namespace: Forbidden: a {resource.kind} belongs to no namespace"
        raise InvalidResource(f'{resource.kind} "{resource.metadata.name}"', (problem,))


def _title(manifest: Mapping[str, Any]) -> str:
    """`Model "alarm-triage"`, or as much of it as can be told."""
    kind, metadata = manifest.get("kind"), manifest.get("metadata")
    name = metadata.get("name") if isinstance(metadata, Mapping) else None
    title = kind if isinstance(kind, str) else "manifest"
    return f'{title} "{name}"' if isinstance(name, str) else title


def _problems(kind: type[Model] | type[Fleet], error: ValidationError) -> tuple[str, ...]:
    details = error.errors(include_url=False)
    return tuple(_problem(kind, detail) for detail in details if not _follows(detail))


def _follows(detail: ErrorDetails) -> bool:
    """Whether a list is called too short because what is in it is wrong, which is said anyway."""
    too_short = detail["type"] == "too_short"
    return too_short and len(detail["input"]) >= detail["ctx"]["min_length"]


def _problem(kind: type[Model] | type[Fleet], detail: ErrorDetails) -> str:
    path = [str(part) for part in detail["loc"] if part != "[key]"]
    value, said = detail["input"], detail.get("ctx", {})
    if detail["type"] == "extra_forbidden":
        fields = fields_at(kind, detail["loc"][:-1])
        said = {"expected": f"{'one of ' if len(fields) > 1 else ''}{', '.join(fields)}"}
    if detail["type"] == "rule" and said["field"]:
        at_fault = said["field"].split(".")
        path, value = [*path, *at_fault], _at(value, at_fault)
    if detail["type"] == "duplicate":
        path = [*path, str(said["at"])]
    complain = _COMPLAINTS.get(detail["type"])
    shown = _shown(value)
    return (
        f"{'.'.join(path)}: {complain(shown, said) if complain else _invalid(shown, detail['msg'])}"
    )


def _at(value: Any, path: Sequence[str]) -> Any:
    """What a manifest says at a path; None if it says nothing there."""
    for part in path:
        value = value.get(part) if isinstance(value, Mapping) else None
    return value


def _invalid(shown: str, expected: str) -> str:
    return f"Invalid value: {shown}: {expected}"


def _ruled_out(shown: str, said: Mapping[str, Any]) -> str:
    message: str = said["message"]
    return f"Forbidden: {message}" if said["forbidden"] else _invalid(shown, message)


def _unsupported(shown: str, said: Mapping[str, Any]) -> str:
    values = ", ".join(f'"{value}"' for value in re.findall("'(.*?)'", said["expected"]))
    return f"Unsupported value: {shown}: supported values: {values}"


def _too_many(_: str, said: Mapping[str, Any]) -> str:
    return f"Too many: {said['actual_length']}: must have at most {said['max_length']} items"


def _of_type(name: str) -> Callable[[str, Mapping[str, Any]], str]:
    return lambda shown, _: _invalid(shown, f"must be of type {name}")


def _should(words: str) -> Callable[[str, Mapping[str, Any]], str]:
    return lambda shown, said: _invalid(shown, f"should {words.format(**said)}")


# By pydantic's types of errors and our own; from what is shown of the value, and the context.
_COMPLAINTS: Mapping[str, Callable[[str, Mapping[str, Any]], str]] = {
    "missing": lambda _, __: "Required value",
    "extra_forbidden": lambda shown, said: f"Unknown field: {shown}: expected {said['expected']}",
    "rule": _ruled_out,
    "duplicate": lambda _, said: f"Duplicate value: {_shown(said['key'])}",
    "enum": _unsupported,
    "literal_error": _unsupported,
    "too_long": _too_many,
    "string_too_long": lambda _, said: f"Too long: may not be more than {said['max_length']} bytes",
    "too_short": _should("have at least {min_length} items"),
    "string_too_short": _should("be at least {min_length} chars long"),
    "greater_than_equal": _should("be greater than or equal to {ge}"),
    "less_than_equal": _should("be less than or equal to {le}"),
    "bool_type": _of_type("boolean"),
    "dict_type": _of_type("object"),
    "int_type": _of_type("integer"),
    "int_or_string_type": _of_type("integer,string"),
    "model_type": _of_type("object"),
    "string_type": _of_type("string"),
    "tuple_type": _of_type("array"),
}


def _shown(value: object) -> str:
    """As JSON writes it, and no longer than a line."""
    try:
        text = json.dumps(value, ensure_ascii=False, default=str)
    except (RecursionError, TypeError, ValueError):  # deep, or a number of thousands of digits
        return "a value too long to show"
    return text if len(text) <= 80 else text[:77] + "..."
