"""pydantic's JSON schema, as an API server wants it: structural, described, and with defaults.

The protocol is `apiextensions.k8s.io/v1` JSONSchemaProps. Unlike JSON schema it has no references,
no null (a field without a value is not there), no names of keys, and takes unknown fields away.
"""

import re
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import core_schema, to_jsonable_python

from shoal.api import Fleet, Model, ObjectMeta
from shoal.api.base import OneOf
from shoal.api.rules import VALIDATIONS, with_validations
from shoal.crds.docstrings import attribute_docstrings, paragraphs

_INT32 = range(-(2**31), 2**31)


def schema_of(kind: type[Model] | type[Fleet]) -> dict[str, Any]:
    """The `openAPIV3Schema` of a kind."""
    parts = {name: field.annotation for name, field in kind.model_fields.items()}
    # Of all metadata, an API server lets us say more of the name alone.
    name = _structural(ObjectMeta, _SpecSchema)["properties"]["name"]
    schema = {
        "description": paragraphs(kind.__doc__ or ""),
        "type": "object",
        "required": ["metadata", "spec"],
        "properties": {
            "metadata": {"type": "object", "properties": {"name": name}},
            "spec": _structural(parts["spec"], _SpecSchema),
            # So no generation was observed until one is, as kstatus wants to know.
            "status": {**_structural(parts["status"], _StatusSchema), "default": {}},
        },
    }
    return with_validations(schema, kind.rules)


def _structural(kind: Any, generator: type[GenerateJsonSchema]) -> dict[str, Any]:
    schema = kind.model_json_schema(schema_generator=generator)
    return _whole(schema, schema.get("$defs", {}))


def _whole(schema: Mapping[str, Any], definitions: Mapping[str, Any]) -> dict[str, Any]:
    """Without references: what stands beside one is said of this place, and counts more."""
    name = schema.get("$ref", "").rpartition("/")[2]
    said = {**definitions.get(name, {}), **schema}
    for inner in ("items", "additionalProperties"):
        if inner in said:
            said[inner] = _whole(said[inner], definitions)
    if "properties" in said:
        fields = said["properties"].items()
        said["properties"] = {field: _whole(one, definitions) for field, one in fields}
    return {key: said[key] for key in sorted(said) if key not in ("$ref", "$defs", "title")}


class _SpecSchema(GenerateJsonSchema):
    """What pydantic says, in the words of JSONSchemaProps; references are left to be filled in."""

    def model_schema(self, schema: core_schema.ModelSchema) -> JsonSchemaValue:
        said = super().model_schema(schema)
        said.pop("additionalProperties", None)
        said["description"] = paragraphs(schema["cls"].__doc__ or "")
        below = attribute_docstrings(schema["cls"])
        for name, field in schema["cls"].model_fields.items():
            if name in below:
                said["properties"][field.alias or name]["description"] = below[name]
        return said

    def nullable_schema(self, schema: core_schema.NullableSchema) -> JsonSchemaValue:
        return self.generate_inner(schema["schema"])

    def default_schema(self, schema: core_schema.WithDefaultSchema) -> JsonSchemaValue:
        said = self.generate_inner(schema["schema"])
        default = schema.get("default")
        # A union's default would stay in a resource beside what is said of it later.
        if default in (None, ()) or isinstance(default, OneOf):
            return said
        return {**said, "default": _plain(default)}

    def int_schema(self, schema: core_schema.IntSchema) -> JsonSchemaValue:
        bounded = schema.get("le", _INT32.stop) in _INT32
        return {**super().int_schema(schema), "format": "int32" if bounded else "int64"}

    def float_schema(self, schema: core_schema.FloatSchema) -> JsonSchemaValue:
        return {**super().float_schema(schema), "format": "double"}

    def enum_schema(self, schema: core_schema.EnumSchema) -> JsonSchemaValue:
        said = super().enum_schema(schema)
        return {**said, "description": paragraphs(said["description"])}

    def dict_schema(self, schema: core_schema.DictSchema) -> JsonSchemaValue:
        said = super().dict_schema(schema)
        if said["additionalProperties"] is True:
            return {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
        keys = said.pop("propertyNames", {}).get(VALIDATIONS, ())
        return {**said, VALIDATIONS: [_of_every_key(rule) for rule in keys]} if keys else said


class _StatusSchema(_SpecSchema):
    """Lenient, as reports are: a CRD older than the operator takes words that it does not know."""

    def enum_schema(self, schema: core_schema.EnumSchema) -> JsonSchemaValue:
        said = super().enum_schema(schema)
        del said["enum"]
        return said


def _plain(default: Any) -> Any:
    """A default without what is a default itself: an API server fills that in."""
    said = default.model_dump(exclude_unset=True) if isinstance(default, BaseModel) else default
    return to_jsonable_python(said)


def _of_every_key(rule: dict[str, str]) -> dict[str, str]:
    holds = re.sub(r"\bself\b", "key", rule["rule"])
    return {**rule, "rule": f"self.all(key, {holds})"}
