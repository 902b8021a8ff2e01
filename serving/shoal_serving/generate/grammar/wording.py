"""A grammar as llguidance reads it."""

import json
from typing import Any

from llguidance import LLMatcher

from shoal.errors import InvalidRequest
from shoal_serving.generate.grammar.bounds import check_levels, check_text
from shoal_serving.generate.request import Grammar, GrammarKind


def worded(grammar: Grammar, param: str | None) -> str:
    """The text that `LLMatcher` takes.

    Raises:
        InvalidRequest: it is too large, too deep, or of another type than its kind.
    """
    match grammar.kind:
        case GrammarKind.JSON_SCHEMA:
            return _schema(grammar.value, param)
        case GrammarKind.JSON_OBJECT:
            return _schema({"type": "object"}, param)
        case GrammarKind.REGEX:
            return str(LLMatcher.grammar_from_regex(_text(grammar, param)))
        case GrammarKind.LARK:
            return str(LLMatcher.grammar_from_lark(_text(grammar, param)))
        case GrammarKind.CHOICE:
            return str(LLMatcher.grammar_from_lark(_choice(grammar.value, param)))


def _schema(value: Any, param: str | None) -> str:
    if value is True:  # any JSON
        value = {}
    if not isinstance(value, dict):
        raise InvalidRequest(f"expected a JSON schema, an object, got {_kind(value)}", param)
    if "x-guidance" in value:
        raise InvalidRequest("'x-guidance' is no part of JSON Schema; leave it out", param)
    check_levels(value, param)
    try:
        text = json.dumps(value, ensure_ascii=False, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise InvalidRequest(f"the schema is not valid JSON: {error}", param) from error
    check_text(text, "schema", param)
    # A model that knows no better would write spaces for ever.
    compact = LLMatcher.grammar_from_json_schema(text, overrides={"whitespace_flexible": False})
    return str(compact)


def _text(grammar: Grammar, param: str | None) -> str:
    if not isinstance(grammar.value, str):
        kind = _kind(grammar.value)
        raise InvalidRequest(f"expected a {grammar.kind} grammar, a string, got {kind}", param)
    check_text(grammar.value, f"{grammar.kind} grammar", param)
    return grammar.value


def _choice(value: Any, param: str | None) -> str:
    if not isinstance(value, list | tuple) or not value:
        raise InvalidRequest(f"expected a list of texts to choose from, got {_kind(value)}", param)
    if not all(isinstance(text, str) for text in value):
        raise InvalidRequest("expected texts to choose from; not all of them are strings", param)
    # Lark's strings are written like JSON's.
    text = "start: " + " | ".join(json.dumps(text, ensure_ascii=False) for text in value)
    check_text(text, "list of choices", param)
    return text


def _kind(value: Any) -> str:
    if isinstance(value, list | tuple):
        return "an empty list" if not value else "a list"
    return "null" if value is None else f"a {type(value).__name__}"
