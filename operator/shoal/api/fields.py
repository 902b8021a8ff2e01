"""Which fields a map of the contract has, for whoever wrote another one."""

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import BaseModel

from shoal.api.metadata import WRITTEN


def fields_at(kind: type[BaseModel], path: Sequence[str | int]) -> tuple[str, ...]:
    """The fields that a person may write in the map that a path leads to; none if it is no map."""
    if tuple(path) == ("metadata",):
        return WRITTEN
    schema = kind.model_json_schema()
    node: Mapping[str, Any] = schema
    for part in path:
        node = _resolved(schema, _child(node, part))
    return tuple(field for field in node.get("properties", {}) if path or field != "status")


def _child(node: Mapping[str, Any], part: str | int) -> Mapping[str, Any]:
    found: Mapping[str, Any] = (
        node.get("items", {}) if isinstance(part, int) else node.get("properties", {}).get(part, {})
    )
    return found


def _resolved(schema: Mapping[str, Any], node: Mapping[str, Any]) -> Mapping[str, Any]:
    """What a reference (or the first of several, where nothing is allowed too) refers to."""
    node = node.get("anyOf", [node])[0]
    name = node.get("$ref", "").rpartition("/")[2]
    found: Mapping[str, Any] = schema["$defs"][name] if name else node
    return found
