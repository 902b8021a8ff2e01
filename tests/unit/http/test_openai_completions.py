"""`/v1/completions`, asked as JSON."""

import gzip
import json
import threading

import pytest
from asgi_client import ask
from speakers import Speaker

from shoal_serving.generate.request import Finish

PATH = "/ops/m/v1/completions"


@pytest.fixture
async def model():
    return Speaker()


@pytest.fixture
async def app(site, model):
    return await site({"ops/m": model})


async def complete(app, prompt="Say", **fields):
    return await ask(app, "POST", PATH, {"prompt": prompt, **fields})


def choices(answer):
    parts = answer.body.decode().split("\n\n")
    assert parts[-2:] == ["data: [DONE]", ""]
    chunks = [json.loads(part.removeprefix("data: ")) for part in parts[:-2]]
    return [choice for chunk in chunks for choice in chunk["choices"]]


async def test_a_text_goes_on(app, model):
    body = (await complete(app)).json
    assert body["id"].startswith("cmpl-")
    assert (body["object"], body["model"]) == ("text_completion", "m")
    assert body["choices"] == [
        {
            "index": 0,
            "text": "Hello world",
            "logprobs": None,
            "finish_reason": "stop",
            "stop_reason": None,
        }
    ]
    assert body["usage"]["total_tokens"] == 3 + 11
    assert model.asked[0].stopping.max_tokens == 16
    assert model.vocabulary.decode(model.asked[0].prompt) == "Say"


async def test_a_stream_has_its_texts_a_reason_and_an_end(app):
    answer = await complete(app, stream=True, stream_options={"include_usage": True})
    assert [choice["text"] for choice in choices(answer)] == ["Hello", " world", ""]
    assert choices(answer)[-1]["finish_reason"] == "stop"
    assert b'"choices":[],"usage":{"prompt_tokens":3,' in answer.body


@pytest.mark.parametrize(
    ("prompt", "prompts"),
    [
        ("ab", ["ab"]),
        (["ab", "c"], ["ab", "c"]),
        ([65, 66], [[65, 66]]),
        ([[65, 66], [67]], [[65, 66], [67]]),
        (["ab", [67]], ["ab", [67]]),
    ],
)
@pytest.mark.parametrize("stream", [True, False])
async def test_prompts_are_texts_or_tokens_one_or_several(app, model, prompt, prompts, stream):
    answer = await complete(app, prompt, n=2, stream=stream)
    encoded = [model.vocabulary.encode(p) if isinstance(p, str) else p for p in prompts]
    expected = [tuple(tokens) for tokens in encoded for _ in range(2)]
    assert [generation.prompt for generation in model.asked] == expected
    found = choices(answer) if stream else answer.json["choices"]
    assert {choice["index"] for choice in found} == set(range(2 * len(prompts)))
    if not stream:
        assert answer.json["usage"]["prompt_tokens"] == sum(map(len, encoded))


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("prompt", ["Say", [50, 51]])
async def test_an_echo_begins_with_the_prompt(app, model, prompt, stream):
    answer = await complete(app, prompt, echo=True, stream=stream)
    found = choices(answer) if stream else answer.json["choices"]
    begun = prompt if isinstance(prompt, str) else model.vocabulary.decode(prompt)
    assert "".join(choice["text"] for choice in found) == f"{begun}Hello world"


@pytest.mark.parametrize("stream", [True, False])
async def test_probabilities_have_their_older_shape(app, model, stream):
    answer = await complete(app, logprobs=1, stream=stream)
    found = choices(answer) if stream else answer.json["choices"]
    logprobs = [choice["logprobs"] for choice in found if choice["logprobs"]]
    assert "".join(token for part in logprobs for token in part["tokens"]) == "Hello world"
    assert [offset for part in logprobs for offset in part["text_offset"]] == list(range(11))
    assert logprobs[0]["token_logprobs"][0] == -0.5
    other = model.vocabulary.token_text(65)
    assert logprobs[0]["top_logprobs"][0] == {other: -66.0, "H": -0.5}
    assert model.asked[0].prompt_logprobs is None


@pytest.mark.parametrize("stream", [True, False])
async def test_an_echo_has_the_prompts_probabilities_too(app, model, stream):
    answer = await complete(app, echo=True, logprobs=0, stream=stream)
    found = choices(answer) if stream else answer.json["choices"]
    logprobs = [choice["logprobs"] for choice in found if choice["logprobs"]]
    assert "".join(token for part in logprobs for token in part["tokens"]) == "SayHello world"
    assert logprobs[0]["token_logprobs"][:3] == [None, -0.5, -0.5]
    assert logprobs[0]["top_logprobs"][:2] == [None, {"a": -0.5}]
    assert [offset for part in logprobs for offset in part["text_offset"]] == list(range(14))


@pytest.mark.parametrize("stream", [True, False])
async def test_a_prompt_can_be_scored_alone(app, model, stream):
    model.says, model.finish = ("x",), Finish.LENGTH
    answer = await complete(app, echo=True, logprobs=1, max_tokens=0, stream=stream)
    found = choices(answer) if stream else answer.json["choices"]
    assert "".join(choice["text"] for choice in found) == "Say"
    assert found[0]["logprobs"]["tokens"] == ["S", "a", "y"]
    assert found[-1]["finish_reason"] == "length"
    assert model.asked[0].stopping.max_tokens == 1
    if not stream:
        assert answer.json["usage"]["completion_tokens"] == 0


async def test_best_of_may_be_what_n_is(app):
    assert (await complete(app, n=2, best_of=2)).status == 200


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"prompt": None}, "prompt"),
        ({"prompt": ""}, "prompt"),
        ({"prompt": []}, "prompt"),
        ({"prompt": 3}, "prompt"),
        ({"prompt": [[]]}, "prompt"),
        ({"prompt": [[1], 3]}, "prompt"),
        ({"prompt": [999]}, "prompt"),
        ({"prompt": [True]}, "prompt"),
        ({"prompt": ["a"] * 1000}, "prompt"),
        ({"suffix": "x"}, "suffix"),
        ({"n": 1, "best_of": 2}, "best_of"),
        ({"n": 2, "best_of": 1}, "best_of"),
        ({"logprobs": True}, "logprobs"),
        ({"logprobs": 21}, "logprobs"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"max_tokens": -1}, "max_tokens"),
        ({"messages": []}, "messages"),
        ({"tools": []}, "tools"),
    ],
)
async def test_a_mistake_names_its_field(app, model, fields, param):
    answer = await ask(app, "POST", PATH, {"prompt": "a", **fields})
    assert answer.status == 400
    assert answer.json["error"]["param"] == param
    assert model.asked == []


async def test_one_prompt_that_is_refused_takes_the_others_with_it(app, model):
    async def refuse_the_second(generation, start=model.start):
        if len(model.asked):
            raise ValueError("a bug")
        return await start(generation)

    model.held, model.start = True, refuse_the_second
    assert (await complete(app, ["a", "b"])).status == 500
    assert model.cancelled == [0]


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
async def test_a_large_body_is_read_aside_however_small_it_was_packed(
    app, model, monkeypatch, pack
):
    encode, threads = model.vocabulary.encode, []

    def watched(text, special=True):
        if text.startswith("a"):
            threads.append(threading.current_thread())
        return encode(text, special)

    monkeypatch.setattr(model.vocabulary, "encode", watched)
    headers = {} if pack is bytes else {"content_encoding": "gzip"}
    for text in ("a", "a" * 100_000):
        body = json.dumps({"prompt": text}).encode()
        assert (await ask(app, "POST", PATH, pack(body), **headers)).status == 200
    assert [thread is threading.main_thread() for thread in threads] == [True, False]
