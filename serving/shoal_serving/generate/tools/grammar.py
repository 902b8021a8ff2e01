"""The grammar of text that is tool calls and nothing else, or else JSON, for `tool_choice`.

llguidance's Lark, with JSON schemas in it:
https://github.com/guidance-ai/llguidance/blob/main/docs/syntax.md
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from shoal.errors import InvalidRequest
from shoal_serving.generate.request import Grammar, GrammarKind
from shoal_serving.generate.tools.formats import ToolFormat

# Models write JSON as `json.dumps` does; free white space lets a weak one write it for ever.
_JSON = {"whitespace_flexible": False, "item_separator": ", ", "key_separator": ": "}
_NO_PARAMETERS = {"type": "object", "properties": {}, "additionalProperties": False}
_AROUND = {
    ToolFormat.HERMES: ("<tool_call>\n", "arguments", "\n</tool_call>", "\n"),
    ToolFormat.LLAMA: ("", "parameters", "", "; "),
}


def tool_grammar(
    form: ToolFormat,
    tools: Sequence[Mapping[str, Any]],
    *,
    name: str | None = None,
    parallel: bool = True,
) -> Grammar:
    """Calls to the tools, or to the one of that name; one call unless `parallel`.

    `tools` are in OpenAI's shape, `{"type": "function", "function": {"name", "parameters"}}`. The
    arguments follow the tool's JSON schema; a tool without one has no arguments.

    Raises:
        InvalidRequest: there is no tool, or none of that name.
    """
    functions = [tool["function"] for tool in tools]
    chosen = [f for f in functions if name is None or f["name"] == name]
    if not chosen:
        known = ", ".join(f["name"] for f in functions) or "none"
        raise InvalidRequest(
            f"tool_choice: there is no tool {name!r}; tools are {known}", "tool_choice"
        )
    before, key, after, between = _AROUND[form]
    rules = [_rule(i, function, before, key, after) for i, function in enumerate(chosen)]
    calls = f"call ({json.dumps(between)} call)*" if parallel and name is None else "call"
    names = " | ".join(f"call_{i}" for i in range(len(chosen)))
    return Grammar(GrammarKind.LARK, "\n".join([f"start: {calls}", f"call: {names}", *rules]))


def tool_or_json_grammar(
    form: ToolFormat,
    tools: Sequence[Mapping[str, Any]],
    schema: Mapping[str, Any],
    *,
    parallel: bool = True,
) -> Grammar:
    """Calls to the tools, as `tool_grammar` has them, or instead JSON of this schema.

    Raises:
        InvalidRequest: there is no tool; or a call is JSON without a mark before it, which
            llguidance's lexer cannot tell from an answer as it begins.
    """
    if form is ToolFormat.LLAMA:
        raise InvalidRequest(
            "response_format: this model writes calls as bare JSON, so an answer cannot be held "
            "to JSON beside them; leave it out, or set tool_choice to none or required",
            "response_format",
        )
    calls = tool_grammar(form, tools, parallel=parallel).value.replace("start:", "calls:", 1)
    answer = json.dumps({**schema, "x-guidance": _JSON})
    return Grammar(GrammarKind.LARK, f"start: calls | answer\nanswer: %json {answer}\n{calls}")


def _rule(index: int, function: Mapping[str, Any], before: str, key: str, after: str) -> str:
    """Each schema is a document of its own, so that its `$ref`s mean what they say."""
    head = f'{before}{{"name": {json.dumps(function["name"])}, "{key}": '
    schema = {**(function.get("parameters") or _NO_PARAMETERS), "x-guidance": _JSON}
    return f"call_{index}: {json.dumps(head)} %json {json.dumps(schema)} {json.dumps('}' + after)}"
