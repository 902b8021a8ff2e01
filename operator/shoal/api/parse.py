"""Manifests in, resources out; what is wrong is said with path, value and what was expected."""

import json
import re
from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from shoal.api.base import API_VERSION
from shoal.api.fields import fields_at
from shoal.api.fleet import FLEET_NAME, Fleet
from shoal.api.metadata import LABEL_KEY, LABEL_VALUE, NAME
from shoal.api.model import ADAPTER_NAME, DIGEST, Model
from shoal.errors import InvalidResource

KINDS: Mapping[str, type[Model] | type[Fleet]] = {"Model": Model, "Fleet": Fleet}
NAMESPACED = frozenset({"Model"})


def parse_resource(manifest: object) -> Model | Fleet:
    """Read one manifest. Its status is left aside: that is not for people to say.

    Raises:
        InvalidResource: it breaks the contract; every problem is named at once.
    """
    if not isinstance(manifest, Mapping):
        raise InvalidResource("manifest", (f"expected a map, got {_shown(manifest)}",))
    kind = _kind(manifest)
    said = {field: value for field, value in manifest.items() if field != "status"}
    try:
        # In a manifest a field has its camelCase name only.
        resource = kind.model_validate(said, by_alias=True, by_name=False)
    except ValidationError as error:
        raise InvalidResource(_title(manifest), _problems(kind, error)) from error
    _check_scope(resource)
    _check_fleet_name(resource)
    _check_adapters(resource)
    return resource


def _kind(manifest: Mapping[str, Any]) -> type[Model] | type[Fleet]:
    version, kind = manifest.get("apiVersion"), manifest.get("kind")
    if version != API_VERSION:
        problem = _wrong("apiVersion", version, API_VERSION)
        raise InvalidResource(_title(manifest), (problem,))
    if not isinstance(kind, str) or kind not in KINDS:
        problem = _wrong("kind", kind, f"one of {', '.join(KINDS)}")
        raise InvalidResource(_title(manifest), (problem,))
    return KINDS[kind]


def _wrong(field: str, value: object, expected: str) -> str:
    what = "Required value" if value is None else f"Invalid value: {_shown(value)}"
    return f"{field}: {what}: expected {expected}"


def _check_scope(resource: Model | Fleet) -> None:
    if resource.kind not in NAMESPACED and resource.metadata.namespace is not None:
        problem = f"metadata.namespace: Forbidden: a {resource.kind} belongs to no namespace"
        raise InvalidResource(f'{resource.kind} "{resource.metadata.name}"', (problem,))


def _check_fleet_name(resource: Model | Fleet) -> None:
    """KubeRay makes names of Services from it."""
    name = resource.metadata.name
    if isinstance(resource, Fleet) and not re.fullmatch(FLEET_NAME, name):
        expected = "a letter first, lower-case letters, digits and '-', at most 47"
        problem = _wrong("metadata.name", name, expected)
        raise InvalidResource(f'Fleet "{name}"', (problem,))


def _check_adapters(resource: Model | Fleet) -> None:
    """A request names the Model or an adapter, so both must not be called the same."""
    if not isinstance(resource, Model) or resource.spec.generation is None:
        return
    name = resource.metadata.name
    names = [adapter.name for adapter in resource.spec.generation.adapters]
    if name in names:
        path = f"spec.generation.adapters.{names.index(name)}.name"
        problem = _wrong(path, name, "another name than the Model's own")
        raise InvalidResource(f'Model "{name}"', (problem,))


def _title(manifest: Mapping[str, Any]) -> str:
    """`Model "alarm-triage"`, or as much of it as can be told."""
    kind, metadata = manifest.get("kind"), manifest.get("metadata")
    name = metadata.get("name") if isinstance(metadata, Mapping) else None
    title = kind if isinstance(kind, str) else "manifest"
    return f'{title} "{name}"' if isinstance(name, str) else title


def _problems(kind: type[Model] | type[Fleet], error: ValidationError) -> tuple[str, ...]:
    return tuple(_problem(kind, detail) for detail in error.errors(include_url=False))


def _problem(kind: type[Model] | type[Fleet], detail: ErrorDetails) -> str:
    path = ".".join(str(part) for part in detail["loc"] if part != "[key]")
    if detail["type"] == "missing":
        return f"{path}: Required value"
    if detail["type"] == "extra_forbidden":
        fields = fields_at(kind, detail["loc"][:-1])
        expected = f"{'one of ' if len(fields) > 1 else ''}{', '.join(fields)}"
        return f"{path}: Unknown field: {_shown(detail['input'])}: expected {expected}"
    if detail["type"] == "forbidden":
        return f"{path}: Forbidden: {detail['msg']}"
    return f"{path}: Invalid value: {_shown(detail['input'])}: {_expected(detail)}"


_PATTERNS: Mapping[str, str] = {
    ADAPTER_NAME: "letters, digits, '-', '_' and '.', at most 63, a letter or digit at each end",
    NAME: "lower-case letters, digits and '-', at most 63 (RFC 1123)",
    LABEL_KEY: "a key such as team or example.com/team, at most 63 after the slash",
    LABEL_VALUE: "letters, digits, '-', '_' and '.', at most 63, a letter or digit at each end",
    DIGEST: "sha256: and 64 hexadecimal digits in lower case",
}
_TYPES: Mapping[str, str] = {
    "bool_type": "true or false",
    "dict_type": "a map",
    "int_type": "a whole number",
    "model_type": "a map",
    "string_type": "text",
    "too_short": "at least one",
    "tuple_type": "a list",
}


def _expected(detail: ErrorDetails) -> str:
    pattern = detail.get("ctx", {}).get("pattern")
    words = _PATTERNS.get(pattern) if pattern else _TYPES.get(detail["type"])
    if words is not None:
        return f"expected {words}"
    if detail["type"] == "too_long":
        return f"expected at most {detail['ctx']['max_length']}"
    message = detail["msg"].replace("Input should be", "expected", 1)
    return message[0].lower() + message[1:]


def _shown(value: object) -> str:
    """As JSON writes it, and no longer than a line."""
    try:
        text = json.dumps(value, ensure_ascii=False, default=str)
    except (RecursionError, TypeError, ValueError):  # deep, or a number of thousands of digits
        return "a value too long to show"
    return text if len(text) <= 80 else text[:77] + "..."
