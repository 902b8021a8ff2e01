"""OpenAI's own clients and LangChain's, asking over a real connection."""

import asyncio
import json
from typing import Any

import openai
import pytest
from langchain_openai import ChatOpenAI
from pydantic import BaseModel
from served import served
from speakers import Speaker

from shoal.errors import InferenceFailed, Overloaded
from shoal_serving.generate.request import GrammarKind

HI = [{"role": "user", "content": "Hi"}]
SCHEMA = {"type": "object", "properties": {"at": {"type": "string"}}, "required": ["at"]}
LOOK: dict[str, Any] = {"type": "function", "function": {"name": "look", "parameters": SCHEMA}}
CALL = ('<tool_call>\n{"name": "look", ', '"arguments": {"at": "di', 'sk"}}\n</tool_call>')


class Disk(BaseModel):
    """What `parse` reads."""

    name: str
    full: bool


@pytest.fixture
async def model():
    return Speaker()


@pytest.fixture
async def place(site, model):
    async with served(await site({"ops/m": model})) as place:
        yield place


@pytest.fixture
async def client(place):
    base_url = f"{place.address}/ops/m/v1"
    async with openai.AsyncOpenAI(base_url=base_url, api_key="none", max_retries=0) as client:
        yield client


@pytest.fixture
def langchain(place):
    return ChatOpenAI(
        model="m",
        base_url=f"{place.address}/ops/m/v1",
        api_key="none",
        max_retries=0,
        stream_usage=True,
    )


async def test_a_chat_is_answered(client):
    answer = await client.chat.completions.create(model="m", messages=HI, temperature=0)
    [choice] = answer.choices
    assert (choice.message.content, choice.finish_reason) == ("Hello world", "stop")
    assert answer.usage.prompt_tokens_details.cached_tokens == 0


async def test_a_chat_streams(client):
    stream = await client.chat.completions.create(
        model="m", messages=HI, stream=True, stream_options={"include_usage": True}
    )
    chunks = [chunk async for chunk in stream]
    text = "".join(c.choices[0].delta.content or "" for c in chunks if c.choices)
    assert text == "Hello world"
    assert chunks[0].choices[0].delta.role == "assistant"
    assert chunks[-1].usage.completion_tokens == 11


async def test_the_client_that_waits_is_answered_too(place):
    def ask():
        with openai.OpenAI(base_url=f"{place.address}/ops/m/v1", api_key="none") as client:
            whole = client.chat.completions.create(model="m", messages=HI, n=2)
            stream = client.completions.create(model="m", prompt="Say", stream=True)
            return whole, "".join(chunk.choices[0].text for chunk in stream)

    whole, text = await asyncio.to_thread(ask)
    assert [choice.message.content for choice in whole.choices] == ["Hello world"] * 2
    assert text == "Hello world"


async def test_an_answer_is_parsed_by_its_schema(client, model):
    model.says = ('{"name": "sda', '", "full": true}')
    answer = await client.chat.completions.parse(model="m", messages=HI, response_format=Disk)
    assert answer.choices[0].message.parsed == Disk(name="sda", full=True)
    grammar = model.asked[0].grammar
    assert grammar.kind is GrammarKind.JSON_SCHEMA
    assert set(grammar.value["properties"]) == {"name", "full"}


async def test_a_stream_is_parsed_by_its_schema(client, model):
    model.says = ('{"name": "sda', '", "full": true}')
    async with client.chat.completions.stream(
        model="m", messages=HI, response_format=Disk
    ) as stream:
        answer = await stream.get_final_completion()
    assert answer.choices[0].message.parsed == Disk(name="sda", full=True)


async def test_a_tool_is_called_and_its_answer_sent_back(client, model):
    model.says = CALL
    answer = await client.chat.completions.create(model="m", messages=HI, tools=[LOOK])
    message = answer.choices[0].message
    assert json.loads(message.tool_calls[0].function.arguments) == {"at": "disk"}
    result = {"role": "tool", "tool_call_id": message.tool_calls[0].id, "content": "full"}
    model.says = ("It is full.",)
    messages = [*HI, message.model_dump(), result]
    answer = await client.chat.completions.create(model="m", messages=messages, tools=[LOOK])
    assert answer.choices[0].message.content == "It is full."
    assert "[look [('at', 'disk')]]" in model.vocabulary.decode(model.asked[1].prompt)


async def test_a_stream_of_calls_is_put_together(client, model):
    model.says = CALL
    async with client.chat.completions.stream(model="m", messages=HI, tools=[LOOK]) as stream:
        answer = await stream.get_final_completion()
    [call] = answer.choices[0].message.tool_calls
    assert (call.function.name, json.loads(call.function.arguments)) == ("look", {"at": "disk"})
    assert answer.choices[0].finish_reason == "tool_calls"


async def test_what_vllm_adds_is_said_in_the_extra_body(client, model):
    await client.chat.completions.create(
        model="m", messages=HI, extra_body={"top_k": 5, "structured_outputs": {"choice": ["a"]}}
    )
    assert model.asked[0].sampling.top_k == 5
    assert model.asked[0].grammar.value == ["a"]


async def test_a_completion_has_probabilities(client):
    answer = await client.completions.create(model="m", prompt="Say", logprobs=1, echo=True)
    assert "".join(answer.choices[0].logprobs.tokens) == "SayHello world"


async def test_adapters_are_models(client, model):
    model.adapters = {"polite": object()}
    assert [m.id async for m in client.models.list()] == ["m", "polite"]
    assert (await client.models.retrieve("polite")).parent == "m"
    await client.chat.completions.create(model="polite", messages=HI)
    assert model.asked[0].adapter == "polite"


async def test_mistakes_overload_and_failures_are_the_clients_own_errors(client, model):
    with pytest.raises(openai.BadRequestError) as refused:
        await client.chat.completions.create(model="m", messages=HI, temperature=3)
    assert refused.value.param == "temperature"
    with pytest.raises(openai.NotFoundError):
        await client.chat.completions.create(model="gpt", messages=HI)
    model.refuses = Overloaded("full")
    with pytest.raises(openai.InternalServerError) as overloaded:
        await client.chat.completions.create(model="m", messages=HI, stream=True)
    assert overloaded.value.status_code == 503
    assert overloaded.value.response.headers["retry-after"] == "1"


async def test_a_stream_that_fails_is_the_clients_own_error(client, model):
    model.fails = InferenceFailed("it broke")
    stream = await client.chat.completions.create(model="m", messages=HI, stream=True)
    with pytest.raises(openai.APIError, match="it broke"):
        [chunk async for chunk in stream]


async def test_a_client_that_stops_reading_frees_its_place(client, model):
    model.held = True
    asking = asyncio.create_task(
        client.chat.completions.create(model="m", messages=HI, stream=True)
    )
    await model.started(1)
    model.streams[0].push(model.delta(model.asked[0], "Hel"))
    stream = await asking
    await anext(aiter(stream))
    await stream.close()
    await model.was_cancelled()


async def test_langchain_talks_streams_and_binds_tools(langchain, model):
    assert (await langchain.ainvoke("Hi")).content == "Hello world"
    chunks = [chunk async for chunk in langchain.astream("Hi")]
    assert "".join(chunk.content for chunk in chunks) == "Hello world"
    assert sum(c.usage_metadata["output_tokens"] for c in chunks if c.usage_metadata) == 11
    model.says = CALL
    called = await langchain.bind_tools([LOOK]).ainvoke("Hi")
    [call] = called.tool_calls
    assert (call["name"], call["args"]) == ("look", {"at": "disk"})


@pytest.mark.parametrize("method", ["json_schema", "function_calling"])
async def test_langchain_gets_structured_output(langchain, model, method):
    model.says = ('{"name": "sda", "full": true}',)
    if method == "function_calling":
        call = {"name": "Disk", "arguments": {"name": "sda", "full": True}}
        model.says = (f"<tool_call>\n{json.dumps(call)}\n</tool_call>",)
    answer = await langchain.with_structured_output(Disk, method=method).ainvoke("Hi")
    assert answer == Disk(name="sda", full=True)
