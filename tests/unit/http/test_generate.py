"""Texts that go on, asked through Triton's generate extension, its tensors, and Hugging Face."""

import json

import huggingface_hub
import pytest
from asgi_client import ask
from served import served
from speakers import Speaker

from shoal.errors import InferenceFailed, Overloaded

MODEL = "/ops/m/v2/models/m"


@pytest.fixture
async def model():
    return Speaker()


@pytest.fixture
async def app(site, model):
    return await site({"ops/m": model})


def events(answer):
    parts = answer.body.decode().split("\n\n")
    assert parts.pop() == ""
    return [json.loads(part.removeprefix("data:")) for part in parts]


def text_input(*texts):
    return {"name": "text_input", "datatype": "BYTES", "shape": [len(texts)], "data": texts}


@pytest.mark.parametrize("address", [MODEL, f"{MODEL}/versions/r1"])
async def test_a_text_goes_on(app, model, address):
    body = {"text_input": "Say", "parameters": {"exclude_input_in_output": True, "max_tokens": 9}}
    answer = await ask(app, "POST", f"{address}/generate", body)
    assert answer.json == {"model_name": "m", "model_version": "r1", "text_output": "Hello world"}
    assert model.asked[0].stopping.max_tokens == 9
    assert model.statistics.outcomes == {"ok": 1}


async def test_the_answer_begins_with_the_input_unless_that_is_excluded(app):
    answer = await ask(app, "POST", f"{MODEL}/generate", {"text_input": ["a", "b"], "id": "7"})
    assert answer.json["text_output"] == ["aHello world", "bHello world"]
    assert answer.json["id"] == "7"


@pytest.mark.parametrize("parameters", [{"temperature": 0}, '{"temperature": 0}'])
async def test_vllms_sampling_parameters_are_taken(app, model, parameters):
    body = {"text_input": "a", "sampling_parameters": parameters}
    assert (await ask(app, "POST", f"{MODEL}/generate", body)).status == 200
    assert model.asked[0].sampling.temperature == 0


async def test_a_stream_has_an_event_for_each_part(app, model):
    answer = await ask(app, "POST", f"{MODEL}/generate_stream", {"text_input": "Say"})
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert [event["text_output"] for event in events(answer)] == ["Hello", " world", ""]
    assert {event["model_name"] for event in events(answer)} == {"m"}
    assert model.statistics.bytes_out == len(answer.body)


@pytest.mark.parametrize(
    ("action", "body", "param"),
    [
        ("generate", {}, "text_input"),
        ("generate", {"text_input": 3}, "text_input"),
        ("generate", {"text_input": "a", "stream": True}, "stream"),
        ("generate", {"text_input": "a", "levitate": True}, "levitate"),
        ("generate", {"text_input": "a", "parameters": 3}, "parameters"),
        ("generate", {"text_input": "a", "seed": 1, "parameters": {"seed": 1}}, "seed"),
        ("generate", {"text_input": "a", "sampling_parameters": 3}, "sampling_parameters"),
        ("generate_stream", {"text_input": ["a", "b"]}, "text_input"),
        ("generate_stream", {"text_input": "a", "stream": False}, "stream"),
    ],
)
async def test_a_mistake_names_its_field(app, model, action, body, param):
    answer = await ask(app, "POST", f"{MODEL}/{action}", body)
    assert answer.status == 400
    assert param in answer.json["error"]
    assert model.asked == []


async def test_another_revision_is_not_here(app):
    answer = await ask(app, "POST", f"{MODEL}/versions/r9/generate", {"text_input": "a"})
    assert answer.status == 404


async def test_a_model_of_another_task_says_which_is_needed(site):
    answer = await ask(await site(), "POST", f"{MODEL}/generate", {"text_input": "a"})
    assert answer.json["error"] == "m does tensor; this call needs a text-generation model"


async def test_the_extension_is_told_where_it_is(app, site):
    with_it = (await ask(app, "GET", "/ops/m/v2")).json["extensions"]
    without = (await ask(await site(), "GET", "/ops/m/v2")).json["extensions"]
    assert set(with_it) - set(without) == {"generate"}


async def test_tensors_go_on_too(app, model):
    body = {"inputs": [text_input("a", "b")], "parameters": {"max_tokens": 3, "timeout": 10**6}}
    answer = await ask(app, "POST", f"{MODEL}/infer", body)
    assert answer.json["outputs"][0]["data"] == ["aHello world", "bHello world"]
    assert model.asked[0].deadline is not None


async def test_tensors_do_not_stream(app):
    body = {"inputs": [text_input("a")], "parameters": {"stream": True}}
    answer = await ask(app, "POST", f"{MODEL}/infer", body)
    assert (answer.status, "generate_stream" in answer.json["error"]) == (400, True)


@pytest.mark.parametrize("path", ["/ops/m", f"{MODEL}/generate_stream"])
async def test_what_fails_has_a_status_before_the_first_event_and_is_one_after(app, model, path):
    body = {"text_input": "a"} if "generate" in path else {"inputs": "a", "stream": True}
    model.fails = InferenceFailed("it broke")
    assert events(await ask(app, "POST", path, body))[-1] == {"error": "it broke"}
    model.refuses = Overloaded("full", retry_after=3)
    answer = await ask(app, "POST", path, body)
    assert (answer.status, answer.headers["retry-after"]) == (503, "3")


@pytest.fixture
async def client(app):
    async with (
        served(app) as place,
        huggingface_hub.AsyncInferenceClient(f"{place.address}/ops/m") as client,
    ):
        yield client


async def test_hugging_faces_client_gets_a_text(client):
    assert await client.text_generation("Say") == "Hello world"
    detailed = await client.text_generation("Say", details=True, max_new_tokens=11)
    assert (detailed.generated_text, detailed.details.generated_tokens) == ("Hello world", 11)


async def test_hugging_faces_client_gets_a_stream(client):
    tokens = [token async for token in await client.text_generation("Say", stream=True)]
    assert "".join(tokens) == "Hello world"
    stream = await client.text_generation("Say", stream=True, details=True)
    last = [token async for token in stream][-1]
    assert (last.generated_text, last.details.finish_reason) == ("Hello world", "eos_token")
