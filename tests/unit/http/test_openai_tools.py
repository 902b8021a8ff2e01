"""Tools in a chat: what the model is told, how it is made to call, how its calls are read."""

import json

import pytest
from asgi_client import ask
from speakers import Speaker

from shoal_serving.generate.request import Finish, GrammarKind

CHAT = "/ops/m/v1/chat/completions"
SCHEMA = {"type": "object", "properties": {"at": {"type": "string"}}, "required": ["at"]}
LOOK = {"type": "function", "function": {"name": "look", "parameters": SCHEMA, "strict": True}}
WAIT = {"type": "function", "function": {"name": "wait", "description": None}}
NAMED = {"type": "function", "function": {"name": "look"}}
FORM = {"type": "json_schema", "json_schema": {"name": "x", "schema": SCHEMA}}
CALL = ("Let me see.\n<tool_", 'call>\n{"name": "look", ', '"arguments": {"at": "di', 'sk"}}\n')
END = ("</tool_call>",)
TWO = (*CALL, *END, '\n<tool_call>\n{"name": "wait", "arguments": {}}\n', *END)


@pytest.fixture
async def model():
    return Speaker(says=(*CALL, *END))


@pytest.fixture
async def app(site, model):
    return await site({"ops/m": model})


async def chat(app, **fields):
    body = {"messages": [{"role": "user", "content": "Hi"}], "tools": [LOOK, WAIT], **fields}
    return await ask(app, "POST", CHAT, body)


def deltas(answer):
    parts = answer.body.decode().split("\n\n")[:-2]
    return [json.loads(part.removeprefix("data: "))["choices"][0] for part in parts]


async def test_a_call_is_read(app):
    [choice] = (await chat(app)).json["choices"]
    assert choice["finish_reason"] == "tool_calls"
    assert choice["message"]["content"].strip() == "Let me see."
    [call] = choice["message"]["tool_calls"]
    assert call["id"].startswith("call_")
    assert (call["type"], call["function"]["name"]) == ("function", "look")
    assert json.loads(call["function"]["arguments"]) == {"at": "disk"}


async def test_a_call_streams_name_first_and_arguments_as_they_come(app):
    choices = deltas(await chat(app, stream=True))
    calls = [call for c in choices for call in c["delta"].get("tool_calls", [])]
    assert calls[0]["function"] == {"name": "look", "arguments": ""}
    assert (calls[0]["index"], calls[0]["type"]) == (0, "function")
    assert all("id" not in call and call["index"] == 0 for call in calls[1:])
    assert len(calls) > 2
    arguments = "".join(call["function"]["arguments"] for call in calls)
    assert json.loads(arguments) == {"at": "disk"}
    text = "".join(c["delta"].get("content") or "" for c in choices)
    assert text.strip() == "Let me see."
    assert choices[-1]["finish_reason"] == "tool_calls"


@pytest.mark.parametrize("stream", [True, False])
async def test_several_calls_are_told_apart(app, model, stream):
    model.says = TWO
    answer = await chat(app, stream=stream)
    if stream:
        found = [c for d in deltas(answer) for c in d["delta"].get("tool_calls", []) if "id" in c]
    else:
        found = answer.json["choices"][0]["message"]["tool_calls"]
    assert [call["function"]["name"] for call in found] == ["look", "wait"]
    assert len({call["id"] for call in found}) == 2


@pytest.mark.parametrize("stream", [True, False])
async def test_without_parallel_calls_the_first_is_the_only_one(app, model, stream):
    model.says = TWO
    answer = await chat(app, stream=stream, parallel_tool_calls=False)
    if stream:
        found = [c for d in deltas(answer) for c in d["delta"].get("tool_calls", []) if "id" in c]
    else:
        found = answer.json["choices"][0]["message"]["tool_calls"]
    assert [call["function"]["name"] for call in found] == ["look"]


async def test_the_model_is_told_its_tools(app, model):
    await chat(app)
    prompt = model.vocabulary.decode(model.asked[0].prompt)
    assert '"look"' in prompt
    assert '"wait"' in prompt
    assert "null" not in prompt
    assert model.asked[0].grammar is None


async def test_marks_of_calls_are_kept_where_they_are_special_tokens(app, model):
    await chat(app)
    await chat(app, tool_choice="none")
    assert [generation.skip_special_tokens for generation in model.asked] == [False, True]


async def test_with_no_choice_the_model_is_told_none_and_nothing_is_read_as_a_call(app, model):
    answer = await chat(app, tool_choice="none")
    assert "look" not in model.vocabulary.decode(model.asked[0].prompt)
    message = answer.json["choices"][0]["message"]
    assert "tool_calls" not in message
    assert "<tool_call>" in message["content"]


async def test_a_required_call_is_forced(app, model):
    model.says = ("<tool_call>\n" + CALL[1].removeprefix("call>\n"), *CALL[2:], *END)
    [choice] = (await chat(app, tool_choice="required")).json["choices"]
    assert model.asked[0].grammar.kind is GrammarKind.LARK
    assert choice["finish_reason"] == "tool_calls"
    assert choice["message"]["content"] is None


async def test_a_named_tool_is_forced_and_the_reason_is_openais(app, model):
    [choice] = (await chat(app, tool_choice=NAMED)).json["choices"]
    assert "look" in model.asked[0].grammar.value
    assert "wait" not in model.asked[0].grammar.value
    assert choice["finish_reason"] == "stop"


@pytest.mark.parametrize("form", [{"type": "json_object"}, FORM])
async def test_an_answer_may_be_a_call_or_of_the_form_that_was_asked_for(app, model, form):
    await chat(app, response_format=form)
    grammar = model.asked[0].grammar
    assert grammar.kind is GrammarKind.LARK
    assert grammar.value.startswith("start: calls | answer")
    await chat(app, response_format=form, tool_choice="required")
    assert model.asked[1].grammar.value.startswith("start: call")


async def test_a_call_that_is_cut_off_ends_for_its_length(app, model):
    model.says, model.finish = CALL[:3], Finish.LENGTH
    [choice] = (await chat(app)).json["choices"]
    assert choice["finish_reason"] == "length"
    assert choice["message"]["tool_calls"][0]["function"]["arguments"] == '{"at": "di'


async def test_probabilities_come_beside_calls(app):
    choices = deltas(await chat(app, stream=True, logprobs=True))
    tokens = [c["logprobs"]["content"] for c in choices if c["logprobs"]]
    assert sum(map(len, tokens)) == sum(map(len, (*CALL, *END)))


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"tools": [{"type": "function"}]}, "tools[0].function"),
        ({"tools": [{"type": "function", "function": {"name": ""}}]}, "tools[0].function.name"),
        ({"tools": [LOOK, LOOK]}, "tools"),
        ({"tools": [{"type": "function", "function": {"name": "a", "parameters": 3}}]}, "tools"),
        ({"tool_choice": "look"}, "tool_choice"),
        ({"tool_choice": {"type": "allowed_tools"}}, "tool_choice"),
        ({"tool_choice": {"type": "function", "function": {"name": "x"}}}, "tool_choice"),
        ({"guided_regex": "a"}, "tools"),
        ({"parallel_tool_calls": "no"}, "parallel_tool_calls"),
    ],
)
async def test_a_mistake_names_its_field(app, model, fields, param):
    answer = await chat(app, **fields)
    assert answer.status == 400
    assert answer.json["error"]["param"] == param
    assert model.asked == []
