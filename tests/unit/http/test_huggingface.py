"""Hugging Face's shape, on the base URL itself."""

import pytest
from asgi_client import ask


@pytest.fixture
async def classifier(site, text_model):
    return await site({"ops/m": text_model("text-classification")})


async def test_the_task_answers_in_its_own_shape(classifier):
    answer = await ask(classifier, "POST", "/ops/m", {"inputs": "disk full"})
    assert answer.status == 200
    (labels,) = answer.json
    assert [label["label"] for label in labels] == ["broken", "fine"]
    assert sum(label["score"] for label in labels) == pytest.approx(1)


async def test_headers_say_how_much_was_read(classifier):
    body = {"inputs": ["disk full", "yes " * 50]}
    answer = await ask(classifier, "POST", "/ops/m", body)
    assert answer.headers["x-shoal-tokens"] == str(4 + 16)
    assert answer.headers["x-shoal-truncated"] == "1"


async def test_parameters_reach_the_task(classifier):
    body = {"inputs": "disk full", "parameters": {"top_k": 1}}
    assert len((await ask(classifier, "POST", "/ops/m", body)).json[0]) == 1


@pytest.mark.parametrize(
    ("body", "word"),
    [
        ({}, "inputs"),
        ({"inputs": 3}, "inputs"),
        ({"inputs": []}, "inputs"),
        ({"inputs": "a", "parameters": {"top_k": 0}}, "top_k"),
        ({"inputs": "a", "parameters": {"speed": 1}}, "speed"),
        ({"inputs": "a", "options": {}}, "options"),
        ("a", "the body: expected a JSON object, got a string"),
    ],
)
async def test_a_mistake_names_its_field(classifier, body, word):
    answer = await ask(classifier, "POST", "/ops/m", body)
    assert answer.status == 400
    assert word in answer.json["error"]


async def test_a_model_of_tensors_says_where_it_takes_them(site):
    answer = await ask(await site(), "POST", "/ops/m", {"inputs": "a"})
    assert answer.status == 400
    assert "/v2/models/NAME/infer" in answer.json["error"]
