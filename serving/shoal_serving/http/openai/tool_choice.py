"""`tools` and `tool_choice`: what the prompt says of tools, and how a call is made and read."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from shoal.errors import InvalidRequest
from shoal_serving.generate.chat import ChatTemplate
from shoal_serving.generate.request import Grammar, GrammarKind
from shoal_serving.generate.tools import (
    CallStarted,
    Content,
    Piece,
    ToolFormat,
    ToolParser,
    tool_format,
    tool_grammar,
    tool_or_json_grammar,
)
from shoal_serving.http.openai.fields import Fields
from shoal_serving.http.openai.messages import tools_of
from shoal_serving.tasks.reading import expected, kind

TOOL_FIELDS = ("tools", "tool_choice", "parallel_tool_calls")


@dataclass(frozen=True, slots=True)
class Tools:
    """What a request's tools come to, and the grammar of text and calls together.

    Without a `form` nothing of an answer is read as a call.

    A call of a tool that was named is no reason to end: OpenAI says `stop` then.
    """

    offered: tuple[dict[str, Any], ...] = ()
    form: ToolFormat | None = None
    grammar: Grammar | None = None
    parallel: bool = True
    named: bool = False

    def reader(self) -> "Reader":
        """Reads one choice's answer."""
        if self.form is None:
            return Reader(None, True)
        names = [tool["function"]["name"] for tool in self.offered]
        return Reader(ToolParser(self.form, names), self.parallel)


class Reader:
    """Text → content and calls, of which only the first counts unless `parallel`."""

    def __init__(self, parser: ToolParser | None, parallel: bool) -> None:
        self.called = False
        self.plain = parser is None
        self._parser = parser
        self._parallel = parallel

    def read(self, text: str, last: bool) -> list[Piece]:
        """What is sure with this text; all of it with the `last`."""
        if self._parser is None:
            return [Content(text)] if text else []
        pieces = self._parser.push(text)
        if last:
            pieces += self._parser.flush()
        if not self._parallel:
            pieces = [piece for piece in pieces if isinstance(piece, Content) or not piece.index]
        self.called = self.called or any(isinstance(piece, CallStarted) for piece in pieces)
        return pieces


def tool_choice(fields: Fields, template: ChatTemplate, form_of_text: Grammar | None) -> Tools:
    """Read `tools` and `tool_choice`. Tools that must not be called are not told to the model.

    `form_of_text` is how an answer must look that is no call.

    Raises:
        InvalidRequest: they are not as they should be, or the model knows no tools.
    """
    tools = tools_of(fields.value("tools"))
    parallel = fields.flag("parallel_tool_calls") is not False
    choice, name = _choice(fields.value("tool_choice"), bool(tools))
    if choice == "none":
        return Tools(grammar=form_of_text)
    form = tool_format(template.source(tools=True))
    if form is None:
        raise InvalidRequest(
            "tools: the model's chat template knows none in a way that can be read; "
            "leave them out, or set tool_choice to none",
            "tools",
        )
    grammar = None
    if choice != "auto":
        grammar = tool_grammar(form, tools, name=name, parallel=parallel)
    elif form_of_text is not None:
        schema = _schema(form_of_text)
        grammar = tool_or_json_grammar(form, tools, schema, parallel=parallel)
    return Tools(tuple(tools), form, grammar, parallel, name is not None)


def _schema(grammar: Grammar) -> Mapping[str, Any]:
    if grammar.kind is GrammarKind.JSON_OBJECT:
        return {"type": "object"}
    if grammar.kind is GrammarKind.JSON_SCHEMA and isinstance(grammar.value, dict):
        return grammar.value
    raise InvalidRequest(
        "tools: with them an answer can be held to JSON only; set tool_choice to none for others",
        "tools",
    )


def _choice(value: Any, tools: bool) -> tuple[str, str | None]:
    """`none`, `auto` or `required`, and the tool that must be called, if one is named."""
    if value is None:
        return ("auto" if tools else "none"), None
    if value == "none":
        return "none", None
    if not tools:
        raise InvalidRequest("tool_choice: there are no tools to choose from", "tool_choice")
    if value in ("auto", "required"):
        return value, None
    return "required", _named(value)


def _named(value: Any) -> str:
    function = value.get("function") if isinstance(value, dict) else None
    name = function.get("name") if isinstance(function, dict) else None
    if not isinstance(name, str) or value.get("type") != "function":
        got = repr(value[:60]) if isinstance(value, str) else kind(value)
        form = '{"type": "function", "function": {"name": ...}}'
        raise expected("tool_choice", f"none, auto, required or {form}", got)
    return name
