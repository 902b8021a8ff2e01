"""`/v1/chat/completions`, asked as JSON."""

import asyncio
import json

import pytest
from asgi_client import ask
from speakers import TOOLLESS, Speaker, chat_template

from shoal.errors import DeadlineExceeded, InferenceFailed, InvalidRequest, Overloaded
from shoal_serving.generate.request import Finish, Grammar, GrammarKind, Sampling, Stopping

CHAT = "/ops/m/v1/chat/completions"
HI = [{"role": "user", "content": "Hi"}]


@pytest.fixture
async def model():
    return Speaker()


@pytest.fixture
async def app(site, model):
    return await site({"ops/m": model})


async def chat(app, messages=HI, **fields):
    return await ask(app, "POST", CHAT, {"messages": messages, **fields})


def events(answer):
    """The chunks of a stream; the last event must be the end."""
    parts = answer.body.decode().split("\n\n")
    assert parts.pop() == ""
    assert all(part.startswith("data: ") for part in parts)
    *chunks, end = [part.removeprefix("data: ") for part in parts]
    assert end == "[DONE]"
    return [json.loads(chunk) for chunk in chunks]


def prompt(model, place=0):
    return model.vocabulary.decode(model.asked[place].prompt, skip_special_tokens=False)


def error(answer):
    assert answer.status == 400, answer.json
    return answer.json["error"]


async def test_a_conversation_goes_on(app, model):
    answer = await chat(app, model="m")
    body = answer.json
    assert body["id"].startswith("chatcmpl-")
    assert (body["object"], body["model"], body["system_fingerprint"]) == (
        "chat.completion",
        "m",
        "r1",
    )
    assert body["choices"] == [
        {
            "index": 0,
            "message": {"role": "assistant", "content": "Hello world", "refusal": None},
            "logprobs": None,
            "finish_reason": "stop",
            "stop_reason": None,
        }
    ]
    assert body["usage"] == {
        "prompt_tokens": len(model.asked[0].prompt),
        "completion_tokens": 11,
        "total_tokens": len(model.asked[0].prompt) + 11,
        "prompt_tokens_details": {"cached_tokens": 0},
    }
    assert prompt(model) == "<|user|>Hi<|end|><|assistant|>"
    assert model.statistics.outcomes == {"ok": 1}


async def test_a_stream_has_the_role_the_text_the_reason_and_an_end(app, model):
    answer = await chat(app, stream=True)
    assert answer.status == 200
    assert answer.headers["content-type"] == "text/event-stream; charset=utf-8"
    assert answer.headers["cache-control"] == "no-cache"
    assert answer.headers["x-accel-buffering"] == "no"
    chunks = events(answer)
    assert {chunk["object"] for chunk in chunks} == {"chat.completion.chunk"}
    assert len({chunk["id"] for chunk in chunks}) == 1
    assert all("usage" not in chunk for chunk in chunks)
    choices = [chunk["choices"][0] for chunk in chunks]
    assert [choice["delta"] for choice in choices] == [
        {"role": "assistant", "content": "", "refusal": None},
        {"content": "Hello"},
        {"content": " world"},
        {},
    ]
    assert [choice["finish_reason"] for choice in choices] == [None, None, None, "stop"]
    assert model.statistics.outcomes == {"ok": 1}
    assert model.statistics.bytes_out == len(answer.body)


async def test_a_stream_ends_with_its_usage_if_that_is_asked_for(app):
    *chunks, last = events(await chat(app, stream=True, stream_options={"include_usage": True}))
    assert all(chunk["usage"] is None for chunk in chunks)
    assert last["choices"] == []
    assert last["usage"]["completion_tokens"] == 11


async def test_a_stream_may_say_its_usage_all_the_time(app):
    options = {"include_usage": True, "continuous_usage_stats": True}
    chunks = events(await chat(app, stream=True, stream_options=options))
    assert [chunk["usage"]["completion_tokens"] for chunk in chunks] == [5, 5, 11, 11, 11]


async def test_text_that_waits_for_more_is_no_chunk(app, model):
    model.says = ("Hel", "", "lo")
    chunks = events(await chat(app, stream=True))
    contents = [chunk["choices"][0]["delta"].get("content") for chunk in chunks]
    assert contents == ["", "Hel", "lo", None]


@pytest.mark.parametrize("stream", [True, False])
async def test_several_choices_each_have_a_seed_and_an_end(app, model, stream):
    answer = await chat(app, n=3, seed=7, stream=stream)
    assert [generation.sampling.seed for generation in model.asked] == [7, 8, 9]
    if not stream:
        texts = [choice["message"]["content"] for choice in answer.json["choices"]]
        assert texts == ["Hello world"] * 3
        assert answer.json["usage"]["prompt_tokens"] == len(model.asked[0].prompt)
        assert answer.json["usage"]["completion_tokens"] == 33
        return
    choices = [chunk["choices"][0] for chunk in events(answer)]
    for index in range(3):
        own = [choice for choice in choices if choice["index"] == index]
        text = "".join(choice["delta"].get("content", "") for choice in own)
        assert (text, own[-1]["finish_reason"]) == ("Hello world", "stop")


async def test_every_way_to_sample_and_stop_reaches_the_engine(app, model):
    sampling = {
        "temperature": 0.5,
        "top_p": 0.9,
        "top_k": 40,
        "min_p": 0.1,
        "presence_penalty": 1,
        "frequency_penalty": -1,
        "repetition_penalty": 1.1,
        "logit_bias": {"65": 100, "66": -1.5},
        "seed": 42,
    }
    stopping = {
        "max_completion_tokens": 9,
        "min_tokens": 2,
        "stop": ["a", "b"],
        "stop_token_ids": [3],
        "ignore_eos": True,
        "include_stop_str_in_output": True,
    }
    more = {"priority": 3, "skip_special_tokens": False}
    assert (await chat(app, **sampling, **stopping, **more)).status == 200
    [generation] = model.asked
    biases = {65: 100.0, 66: -1.5}
    assert generation.sampling == Sampling(
        0.5, 40, 0.9, 0.1, 1.1, 1, -1, logit_bias=biases, seed=42
    )
    assert generation.stopping == Stopping(9, 2, ("a", "b"), frozenset({3}), True, True)
    assert (generation.priority, generation.skip_special_tokens) == (3, False)


async def test_what_is_not_said_is_the_models_own_default(app, model):
    model.defaults = Sampling(temperature=0.6, top_k=20)
    await chat(app, top_k=-1, temperature=None)
    assert model.asked[0].sampling == Sampling(temperature=0.6, top_k=0)
    assert model.asked[0].stopping == Stopping()


@pytest.mark.parametrize("stream", [True, False])
async def test_probabilities_come_with_their_tokens(app, model, stream):
    model.says = ("é",)
    answer = await chat(app, logprobs=True, top_logprobs=1, stream=stream)
    if stream:
        logprobs = [chunk["choices"][0]["logprobs"] for chunk in events(answer)]
        [found] = [entry for entry in logprobs if entry is not None]
    else:
        found = answer.json["choices"][0]["logprobs"]
    first, second = found["content"]
    assert (first["token"], first["bytes"], first["logprob"]) == ("bytes:\\xc3", [0xC3], -0.5)
    assert second["bytes"] == [0xA9]
    [top] = first["top_logprobs"]
    assert top["logprob"] == -66.0
    assert found["refusal"] is None


async def test_an_adapter_is_asked_by_its_name(app, model):
    model.adapters = {"polite": object()}
    assert (await chat(app, model="polite")).json["model"] == "polite"
    assert (await chat(app, model="r1")).json["model"] == "m"
    assert [generation.adapter for generation in model.asked] == ["polite", None]


async def test_a_name_that_is_not_here_is_told_those_that_are(app, model):
    model.adapters = {"polite": object()}
    answer = await chat(app, model="gpt-5")
    assert answer.status == 404
    assert answer.json["error"]["code"] == "model_not_found"
    assert "serves 'm', 'polite'" in answer.json["error"]["message"]


async def test_the_name_that_hugging_faces_client_gives_a_url_is_the_models_own(app, model):
    assert (await chat(app, model="dummy")).json["model"] == "m"


async def test_every_role_has_its_place_in_the_prompt(app, model):
    call = {
        "id": "call_1",
        "type": "function",
        "function": {"name": "look", "arguments": '{"at": "disk"}'},
    }
    messages = [
        {"role": "developer", "content": "Be brief.", "name": None},
        {"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]},
        {"role": "assistant", "content": None, "refusal": None, "tool_calls": [call]},
        {"role": "tool", "content": "full", "tool_call_id": "call_1"},
    ]
    await chat(app, messages)
    assert prompt(model) == (
        "<|system|>Be brief.<|end|><|user|>a\nb<|end|>"
        "<|assistant|>[look [('at', 'disk')]]<|end|><|tool|>full<|end|><|assistant|>"
    )


async def test_a_message_may_be_gone_on_with_and_repeated(app, model):
    messages = [*HI, {"role": "assistant", "content": "Well, "}]
    answer = await chat(app, messages, continue_final_message=True, echo=True)
    assert prompt(model).endswith("<|assistant|>Well, ")
    assert answer.json["choices"][0]["message"]["content"] == "Well, Hello world"
    chunks = events(await chat(app, messages, continue_final_message=True, echo=True, stream=True))
    assert chunks[1]["choices"][0]["delta"] == {"content": "Well, "}


@pytest.mark.parametrize(
    ("fields", "grammar"),
    [
        ({"response_format": {"type": "text"}}, None),
        ({"response_format": {"type": "json_object"}}, Grammar(GrammarKind.JSON_OBJECT)),
        (
            {"response_format": {"type": "json_object", "value": {"type": "array"}}},
            Grammar(GrammarKind.JSON_SCHEMA, {"type": "array"}),
        ),
        (
            {
                "response_format": {
                    "type": "json_schema",
                    "json_schema": {"name": "x", "strict": True, "schema": {"type": "object"}},
                }
            },
            Grammar(GrammarKind.JSON_SCHEMA, {"type": "object"}),
        ),
        ({"guided_json": '{"type": "array"}'}, Grammar(GrammarKind.JSON_SCHEMA, {"type": "array"})),
        ({"guided_regex": "a+"}, Grammar(GrammarKind.REGEX, "a+")),
        ({"guided_choice": ["a", "b"]}, Grammar(GrammarKind.CHOICE, ["a", "b"])),
        ({"guided_grammar": 'start: "a"'}, Grammar(GrammarKind.LARK, 'start: "a"')),
        ({"structured_outputs": {"json": {}}}, Grammar(GrammarKind.JSON_SCHEMA, {})),
        ({"structured_outputs": {"choice": ["a"]}}, Grammar(GrammarKind.CHOICE, ["a"])),
        ({"structured_outputs": {"json_object": True}}, Grammar(GrammarKind.JSON_OBJECT)),
    ],
)
async def test_every_way_to_ask_for_a_form_is_a_grammar(app, model, fields, grammar):
    assert (await chat(app, **fields)).status == 200
    assert model.asked[0].grammar == grammar


async def test_defaults_that_clients_send_are_taken(app):
    sent = {
        "user": "me",
        "metadata": {"a": "b"},
        "store": False,
        "service_tier": "auto",
        "modalities": ["text"],
        "audio": None,
        "tools": None,
        "made_up": None,
        "logit_bias": {},
    }
    assert (await chat(app, **sent)).status == 200


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"messages": []}, "messages"),
        ({"messages": "Hi"}, "messages"),
        ({"messages": ["Hi"]}, "messages"),
        ({"messages": [{"role": "king", "content": "x"}]}, "messages"),
        ({"messages": [{"role": "user"}]}, "messages"),
        ({"messages": [{"role": "user", "content": 3}]}, "messages[0].content"),
        ({"messages": [{"role": "user", "content": [{"type": "image_url"}]}]}, "messages"),
        ({"messages": [{"role": "user", "content": [{"type": "input_audio"}]}]}, "messages"),
        ({"temperature": 2.1}, "temperature"),
        ({"temperature": "hot"}, "temperature"),
        ({"temperature": True}, "temperature"),
        ({"top_p": 0}, "top_p"),
        ({"top_k": -2}, "top_k"),
        ({"top_k": 1.5}, "top_k"),
        ({"min_p": 2}, "min_p"),
        ({"presence_penalty": 3}, "presence_penalty"),
        ({"repetition_penalty": 0}, "repetition_penalty"),
        ({"logit_bias": {"999": 1}}, "logit_bias"),
        ({"logit_bias": {"a": 1}}, "logit_bias"),
        ({"logit_bias": {"1": 101}}, "logit_bias.1"),
        ({"logit_bias": [1]}, "logit_bias"),
        ({"logit_bias": dict.fromkeys(map(str, range(4097)), 1)}, "logit_bias"),
        ({"seed": 0.5}, "seed"),
        ({"n": 0}, "n"),
        ({"n": 1000}, "n"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"max_tokens": 5, "max_completion_tokens": 6}, "max_tokens"),
        ({"max_tokens": 5, "min_tokens": 6}, "min_tokens"),
        ({"stop": ""}, "stop"),
        ({"stop": ["a", 3]}, "stop[1]"),
        ({"stop": "a" * 4097}, "stop"),
        ({"stop_token_ids": [999]}, "stop_token_ids"),
        ({"stop_token_ids": ["a"]}, "stop_token_ids"),
        ({"logprobs": 3}, "logprobs"),
        ({"top_logprobs": 3}, "top_logprobs"),
        ({"logprobs": True, "top_logprobs": 21}, "top_logprobs"),
        ({"stream": "yes"}, "stream"),
        ({"stream": True, "stream_options": {"x": True}}, "x"),
        ({"response_format": {"type": "xml"}}, "response_format"),
        ({"response_format": "json"}, "response_format"),
        ({"response_format": {"type": "json_schema"}}, "response_format.json_schema"),
        ({"guided_json": "{"}, "guided_json"),
        ({"guided_choice": []}, "guided_choice"),
        ({"guided_regex": "a", "guided_choice": ["a"]}, "guided_regex"),
        ({"structured_outputs": {}}, "structured_outputs"),
        ({"structured_outputs": {"regex": "a", "choice": ["a"]}}, "structured_outputs"),
        ({"structured_outputs": {"xml": "a"}}, "structured_outputs"),
        ({"chat_template_kwargs": {"messages": []}}, "messages"),
        ({"tools": {}}, "tools"),
        ({"tools": [{"type": "custom"}]}, "tools"),
        ({"tool_choice": "auto"}, "tool_choice"),
        ({"audio": {"voice": "x"}}, "audio"),
        ({"modalities": ["text", "audio"]}, "modalities"),
        ({"store": True}, "store"),
        ({"service_tier": "flex"}, "service_tier"),
        ({"web_search_options": {}}, "web_search_options"),
        ({"prediction": {}}, "prediction"),
        ({"functions": []}, "functions"),
        ({"reasoning_effort": "low"}, "reasoning_effort"),
        ({"use_beam_search": True}, "use_beam_search"),
        ({"best_of": 2}, "best_of"),
        ({"levitate": True}, "levitate"),
    ],
)
@pytest.mark.parametrize("stream", [True, False])
async def test_a_mistake_names_its_field(app, model, fields, param, stream):
    said = error(await ask(app, "POST", CHAT, {"messages": HI, "stream": stream, **fields}))
    assert (said["param"], said["type"]) == (param, "invalid_request_error")
    assert said["message"]
    assert model.asked == []


async def test_options_of_a_stream_need_a_stream(app):
    said = error(await chat(app, stream_options={"include_usage": True}))
    assert said["message"] == "stream_options: only with stream true"


async def test_a_field_that_is_not_supported_says_what_is(app):
    said = error(await chat(app, functions=[]))
    assert said["message"] == "functions is not supported: it was replaced by tools"


async def test_a_model_without_a_template_sends_to_completions(app, model):
    model.template = None
    assert "/v1/completions" in error(await chat(app))["message"]


async def test_a_model_of_another_task_says_which_is_needed(site):
    answer = await ask(await site(), "POST", CHAT, {"messages": HI})
    assert error(answer)["message"] == "m does tensor; this call needs a text-generation model"


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize(
    ("refusal", "status"),
    [
        (InvalidRequest("too long", "messages", "context_length_exceeded"), 400),
        (Overloaded("full", retry_after=3), 503),
        (DeadlineExceeded("waited"), 504),
    ],
)
async def test_what_the_engine_refuses_has_its_status(app, model, refusal, status, stream):
    model.refuses = refusal
    answer = await chat(app, stream=stream)
    assert answer.status == status
    assert answer.json["error"]["message"] == str(refusal)
    assert answer.json["error"]["code"] == refusal.code
    assert answer.headers.get("retry-after") == ("3" if status == 503 else None)


@pytest.mark.parametrize("stream", [True, False])
async def test_what_fails_before_the_first_token_has_its_status(app, model, stream):
    model.says, model.fails = (), InferenceFailed("it broke")
    answer = await chat(app, stream=stream)
    assert (answer.status, answer.json["error"]["message"]) == (500, "it broke")
    assert model.statistics.outcomes == {"InferenceFailed": 1}


async def test_what_fails_later_is_the_last_event(app, model):
    model.fails = InferenceFailed("it broke")
    answer = await chat(app, stream=True)
    assert answer.status == 200
    *chunks, last, end = answer.body.decode().split("\n\n")
    assert (len(chunks), end) == (3, "")
    said = json.loads(last.removeprefix("data: "))["error"]
    assert (said["message"], said["type"]) == ("it broke", "server_error")
    assert model.statistics.outcomes == {"InferenceFailed": 1}


async def test_a_choice_that_fails_takes_the_others_with_it(app, model):
    model.held = True
    asking = asyncio.create_task(chat(app, n=2))
    await model.started(2)
    model.streams[0].fail(InferenceFailed("it broke"))
    assert (await asking).status == 500
    assert set(model.cancelled) == {0, 1}


async def test_the_length_is_a_reason_to_end(app, model):
    model.finish = Finish.LENGTH
    assert (await chat(app)).json["choices"][0]["finish_reason"] == "length"


async def test_tools_need_a_template_that_knows_them(app, model):
    model.template = chat_template(TOOLLESS)
    tool = {"type": "function", "function": {"name": "look"}}
    assert error(await chat(app, tools=[tool]))["param"] == "tools"
    assert (await chat(app, tools=[tool], tool_choice="none")).status == 200


async def test_a_large_request_is_read_in_a_thread(app, model):
    answer = await chat(app, [{"role": "user", "content": "Hi " * 20_000}])
    assert answer.status == 200
    assert len(model.asked[0].prompt) > 60_000
