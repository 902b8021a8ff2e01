"""`/tokenize`, `/detokenize`, and `/v1/models` of a model that generates."""

import pytest
from asgi_client import ask
from speakers import Speaker

HI = [{"role": "user", "content": "Hi"}]


@pytest.fixture
async def model():
    return Speaker(adapters={"polite": object()})


@pytest.fixture
async def app(site, model):
    return await site({"ops/m": model})


def tokenize(app, **body):
    return ask(app, "POST", "/ops/m/tokenize", body)


async def test_a_text_becomes_tokens_and_tokens_a_text(app, model):
    answer = (await tokenize(app, model="m", prompt="Hé<|end|>")).json
    tokens = [*model.vocabulary.encode("Hé"), 256]
    expected = {"count": 4, "max_model_len": 1000, "tokens": tokens, "token_strs": None}
    assert answer == expected
    answer = await ask(app, "POST", "/ops/m/detokenize", {"tokens": tokens})
    assert answer.json == {"prompt": "Hé<|end|>"}


async def test_tokens_may_come_with_their_texts(app):
    answer = await tokenize(app, prompt="Hi", return_token_strs=True)
    assert answer.json["token_strs"] == ["H", "i"]


async def test_messages_become_the_tokens_that_chat_would_send(app, model):
    await ask(app, "POST", "/ops/m/v1/chat/completions", {"messages": HI})
    answer = await tokenize(app, messages=HI)
    assert tuple(answer.json["tokens"]) == model.asked[0].prompt
    shorter = await tokenize(app, messages=HI, add_generation_prompt=False)
    assert shorter.json["count"] == answer.json["count"] - len("<|assistant|>")


@pytest.mark.parametrize(
    ("path", "body", "param"),
    [
        ("tokenize", {}, "prompt"),
        ("tokenize", {"prompt": 3}, "prompt"),
        ("tokenize", {"prompt": "a", "messages": HI}, "prompt"),
        ("tokenize", {"messages": []}, "messages"),
        ("tokenize", {"prompt": "a", "size": 3}, "size"),
        ("detokenize", {}, "tokens"),
        ("detokenize", {"tokens": "a"}, "tokens"),
        ("detokenize", {"tokens": [999]}, "tokens"),
        ("detokenize/", {"tokens": [0.5]}, "tokens"),
    ],
)
async def test_a_mistake_has_openais_shape(app, path, body, param):
    answer = await ask(app, "POST", f"/ops/m/{path}", body)
    assert answer.status == 400
    said = answer.json["error"]
    assert (said["param"], said["type"]) == (param, "invalid_request_error")


async def test_the_model_and_its_adapters_are_listed(app):
    base, adapter = (await ask(app, "GET", "/ops/m/v1/models")).json["data"]
    assert (base["id"], base["parent"], base["max_model_len"]) == ("m", None, 1000)
    assert (adapter["id"], adapter["parent"], adapter["root"]) == ("polite", "m", "m")
    assert (await ask(app, "GET", "/ops/m/v1/models/polite")).json == adapter
    assert (await ask(app, "GET", "/ops/m/v1/models/m/")).json == base


async def test_a_model_that_is_not_listed_is_not_found(app):
    answer = await ask(app, "GET", "/ops/m/v1/models/rude")
    assert (answer.status, answer.json["error"]["code"]) == (404, "model_not_found")
