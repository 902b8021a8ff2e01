"""What an answer must look like: OpenAI's `response_format` and vLLM's `structured_outputs`."""

from collections.abc import Mapping
from typing import Any

import orjson

from shoal.errors import InvalidRequest
from shoal_serving.generate.request import Grammar, GrammarKind
from shoal_serving.http.openai.fields import Fields, only_one
from shoal_serving.tasks.reading import expected, fields_of, items_of, kind, text_of

# vLLM's names before `structured_outputs`, and those within it.
_GUIDED = {
    "guided_json": "json",
    "guided_regex": "regex",
    "guided_choice": "choice",
    "guided_grammar": "grammar",
    "guided_json_object": "json_object",
}
GRAMMAR_FIELDS = ("response_format", "structured_outputs", *_GUIDED)
_JSON_OBJECT = Grammar(GrammarKind.JSON_OBJECT)


def grammar_of(fields: Fields) -> Grammar | None:
    """The grammar that a request asks for.

    Raises:
        InvalidRequest: there is more than one, or it is not as it should be.
    """
    given = [name for name in GRAMMAR_FIELDS if fields.has(name)]
    only_one(given)
    if not given:
        return None
    [name] = given
    if name == "response_format":
        return _response_format(fields.any(name))
    if name == "structured_outputs":
        return _structured(fields.mapping(name) or {})
    return _guided(_GUIDED[name], fields.any(name), name)


def _response_format(value: Any) -> Grammar | None:
    form = value.get("type") if isinstance(value, dict) else None
    if form not in ("text", "json_object", "json_schema"):
        raise expected(
            "response_format",
            "an object with the type text, json_object or json_schema",
            repr(form) if isinstance(form, str) else kind(value),
        )
    if form == "json_schema":
        return Grammar(GrammarKind.JSON_SCHEMA, _schema(value.get("json_schema")))
    return _JSON_OBJECT if form == "json_object" else None


def _schema(value: Any) -> Any:
    """Every schema is kept to, whether it is `strict` or not."""
    field = "response_format.json_schema"
    given = fields_of(value, field, ("name",), ("schema", "strict", "description"))
    schema = given.get("schema")
    if schema is None:
        return {}
    if not isinstance(schema, dict):
        raise expected(f"{field}.schema", "an object", kind(schema), "response_format")
    return schema


def _structured(given: Mapping[str, Any]) -> Grammar | None:
    names = [name for name, value in given.items() if value is not None]
    for name in names:
        if name not in _GUIDED.values():
            known = ", ".join(_GUIDED.values())
            raise expected("structured_outputs", f"one of {known}", repr(name[:60]))
    if len(names) != 1:
        raise expected("structured_outputs", "one kind of output", f"{len(names)}")
    return _guided(names[0], given[names[0]], f"structured_outputs.{names[0]}")


def _guided(form: str, value: Any, field: str) -> Grammar | None:
    if form == "json":
        return Grammar(GrammarKind.JSON_SCHEMA, _json(value, field))
    if form == "choice":
        texts = [text_of(item, f"{field}[{i}]") for i, item in enumerate(items_of(value, field))]
        return Grammar(GrammarKind.CHOICE, texts)
    if form == "json_object":
        if not isinstance(value, bool):
            raise expected(field, "true or false", kind(value))
        return _JSON_OBJECT if value else None
    kinds = {"regex": GrammarKind.REGEX, "grammar": GrammarKind.LARK}
    return Grammar(kinds[form], text_of(value, field))


def _json(value: Any, field: str) -> Any:
    """A schema, which vLLM also takes as JSON in a string."""
    if isinstance(value, str):
        try:
            value = orjson.loads(value)
        except orjson.JSONDecodeError as error:
            raise InvalidRequest(f"{field} is not valid JSON: {error}", field) from error
    if not isinstance(value, dict):
        raise expected(field, "a JSON schema, which is an object", kind(value))
    return value
