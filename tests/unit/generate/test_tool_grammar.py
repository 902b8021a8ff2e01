import json
from pathlib import Path

import pytest
from llguidance import LLMatcher, LLTokenizer

from shoal.errors import InvalidRequest
from shoal_serving.generate.request import GrammarKind
from shoal_serving.generate.tools import (
    CallArguments,
    CallStarted,
    ToolFormat,
    ToolParser,
    tool_grammar,
    tool_or_json_grammar,
)

TINY_CHAT = Path(__file__).parents[3] / "manifests" / "samples" / "models" / "tiny-chat"
WEATHER = {
    "type": "object",
    "properties": {"city": {"type": "string"}, "days": {"$ref": "#/$defs/Days"}},
    "required": ["city", "days"],
    "additionalProperties": False,
    "$defs": {"Days": {"type": "integer"}},
}
TOOLS = [
    {"type": "function", "function": {"name": "weather", "parameters": WEATHER}},
    {"type": "function", "function": {"name": "now"}},
]
PARIS = {"city": "Paris 法国", "days": 3}


@pytest.fixture(scope="module")
def tokenizer():
    return LLTokenizer((TINY_CHAT / "tokenizer.json").read_text(), eos_token=2, n_vocab=2048)


@pytest.fixture
def allowed(tokenizer):
    """Whether a text is a whole one of the grammar."""

    def check(grammar, text):
        assert grammar.kind is GrammarKind.LARK
        matcher = LLMatcher(tokenizer, grammar.value)
        assert not matcher.get_error()
        tokens = tokenizer.tokenize_str(text)
        if matcher.validate_tokens(tokens) < len(tokens):
            return False
        return matcher.consume_tokens(tokens) and matcher.is_accepting()

    return check


def written(form, name, arguments):
    key = "arguments" if form is ToolFormat.HERMES else "parameters"
    call = json.dumps({"name": name, key: arguments}, ensure_ascii=False)
    return f"<tool_call>\n{call}\n</tool_call>" if form is ToolFormat.HERMES else call


BETWEEN = {ToolFormat.HERMES: "\n", ToolFormat.LLAMA: "; "}


@pytest.mark.parametrize("form", ToolFormat)
def test_calls_that_follow_their_schema_can_be_written_and_read_back(allowed, form):
    text = written(form, "weather", PARIS) + BETWEEN[form] + written(form, "now", {})
    assert allowed(tool_grammar(form, TOOLS), text)
    parser = ToolParser(form, ["weather", "now"])
    assert [*parser.push(text), *parser.flush()] == [
        CallStarted(0, "weather"),
        CallArguments(0, json.dumps(PARIS, ensure_ascii=False)),
        CallStarted(1, "now"),
        CallArguments(1, "{}"),
    ]


@pytest.mark.parametrize("form", ToolFormat)
@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("weather", {"city": "Paris"}),
        ("weather", {"city": "Paris", "days": "3"}),
        ("now", {"zone": 1}),
        ("tomorrow", {}),
    ],
)
def test_nothing_else_can_be_written(allowed, form, name, arguments):
    assert not allowed(tool_grammar(form, TOOLS), written(form, name, arguments))
    assert not allowed(tool_grammar(form, TOOLS), "Hello.")
    assert not allowed(tool_grammar(form, TOOLS), "")


@pytest.mark.parametrize("form", ToolFormat)
def test_one_tool_can_be_demanded_and_is_called_once(allowed, form):
    grammar = tool_grammar(form, TOOLS, name="now")
    now = written(form, "now", {})
    assert allowed(grammar, now)
    assert not allowed(grammar, written(form, "weather", PARIS))
    assert not allowed(grammar, now + BETWEEN[form] + now)


@pytest.mark.parametrize("form", ToolFormat)
def test_calls_can_be_held_to_one(allowed, form):
    grammar = tool_grammar(form, TOOLS, parallel=False)
    now = written(form, "now", {})
    assert allowed(grammar, now)
    assert not allowed(grammar, now + BETWEEN[form] + now)


def test_a_tool_that_was_not_given_cannot_be_demanded():
    with pytest.raises(InvalidRequest, match="no tool 'tomorrow'; tools are weather, now"):
        tool_grammar(ToolFormat.HERMES, TOOLS, name="tomorrow")


def test_an_answer_may_be_calls_or_json(allowed):
    answer = {"type": "object", "properties": {"ok": {"type": "boolean"}}, "required": ["ok"]}
    grammar = tool_or_json_grammar(ToolFormat.HERMES, TOOLS, answer)
    assert allowed(grammar, '{"ok": true}')
    assert allowed(grammar, written(ToolFormat.HERMES, "weather", PARIS))
    assert not allowed(grammar, '{"ok": 3}')
    assert not allowed(grammar, "ok")


def test_json_is_refused_beside_calls_that_are_bare_json():
    with pytest.raises(InvalidRequest, match="bare JSON") as refused:
        tool_or_json_grammar(ToolFormat.LLAMA, TOOLS, {"type": "object"})
    assert refused.value.param == "response_format"
