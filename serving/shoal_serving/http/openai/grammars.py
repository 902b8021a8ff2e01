"""What an answer must look like: OpenAI's `response_format` and vLLM's `structured_outputs`."""

from typing import Any

from shoal_serving.generate.request import Grammar, GrammarKind
from shoal_serving.http.openai.fields import Fields, only_one
from shoal_serving.tasks.reading import expected, fields_of, kind
from shoal_serving.tasks.sampling_parameters import output_grammar, structured_outputs

# vLLM's names before `structured_outputs`, and those within it.
_GUIDED = {
    "guided_json": "json",
    "guided_regex": "regex",
    "guided_choice": "choice",
    "guided_grammar": "grammar",
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
        return _response_format(fields.value(name))
    if name == "structured_outputs":
        return structured_outputs(_without_nulls(fields.value(name)))
    return output_grammar(_GUIDED[name], fields.value(name), name)


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
    if form == "json_object" and value.get("value") is not None:
        # text-generation-inference's way to give a schema, and so that of `huggingface_hub`.
        return output_grammar("json", value["value"], "response_format.value")
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


def _without_nulls(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    return {name: item for name, item in value.items() if item is not None}
