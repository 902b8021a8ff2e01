"""`openai.OpenAI(base_url=URL/v1)`, unmodified: embeddings, models and errors."""

import base64
from collections.abc import Iterator

import numpy as np
import openai
import pytest
from conftest import reference

NAME = "alarm-embed"
CASES = reference(NAME)["cases"]
TEXTS = [case["text"] for case in CASES]
VECTORS = np.array([case["embedding"] for case in CASES])
CLOSE = 2e-4


def connected(url: str) -> openai.OpenAI:
    return openai.OpenAI(base_url=f"{url}/v1", api_key="unused", max_retries=0)


@pytest.fixture
def client(samples: dict[str, str]) -> Iterator[openai.OpenAI]:
    with connected(samples[NAME]) as client:
        yield client


def test_embeddings_come_by_default_as_base64_which_the_client_decodes(
    client: openai.OpenAI,
) -> None:
    answer = client.embeddings.create(model=NAME, input=TEXTS)
    assert [each.index for each in answer.data] == list(range(len(TEXTS)))
    np.testing.assert_allclose([each.embedding for each in answer.data], VECTORS, atol=CLOSE)
    assert answer.model == NAME


def test_embeddings_come_as_numbers(client: openai.OpenAI) -> None:
    answer = client.embeddings.create(model=NAME, input=TEXTS[0], encoding_format="float")
    np.testing.assert_allclose(answer.data[0].embedding, VECTORS[0], atol=CLOSE)


def test_embeddings_come_as_base64_of_little_endian_floats(client: openai.OpenAI) -> None:
    answer = client.embeddings.create(model=NAME, input=TEXTS[0], encoding_format="base64")
    vector = np.frombuffer(base64.b64decode(str(answer.data[0].embedding)), "<f4")
    np.testing.assert_allclose(vector, VECTORS[0], atol=CLOSE)


def test_tokens_are_counted(client: openai.OpenAI) -> None:
    answer = client.embeddings.create(model=NAME, input=TEXTS[:3])
    tokens = sum(len(case["input_ids"]) for case in CASES[:3])
    assert (answer.usage.prompt_tokens, answer.usage.total_tokens) == (tokens, tokens)


def test_token_ids_are_input_too(client: openai.OpenAI) -> None:
    ids = [case["input_ids"] for case in CASES]
    one = client.embeddings.create(model=NAME, input=ids[0])
    many = client.embeddings.create(model=NAME, input=ids)
    np.testing.assert_allclose(one.data[0].embedding, VECTORS[0], atol=CLOSE)
    np.testing.assert_allclose([each.embedding for each in many.data], VECTORS, atol=CLOSE)


def test_shortened_embeddings_have_length_one(client: openai.OpenAI) -> None:
    answer = client.embeddings.create(model=NAME, input=TEXTS[0], dimensions=8)
    short = VECTORS[0][:8]
    np.testing.assert_allclose(answer.data[0].embedding, short / np.linalg.norm(short), atol=CLOSE)


def test_the_model_is_listed(client: openai.OpenAI) -> None:
    (model,) = client.models.list().data
    assert (model.id, model.object, model.owned_by) == (NAME, "model", "shoal")


MISTAKES = {
    "encoding_format": {"encoding_format": "hex"},
    "dimensions": {"dimensions": 129},
    "input": {"input": []},
    "input[0]": {"input": [{"text": "disk full"}]},
    "temperature": {"extra_body": {"temperature": 1}},
}


@pytest.mark.parametrize("param", MISTAKES)
def test_a_mistake_is_a_bad_request_that_names_the_parameter(
    client: openai.OpenAI, param: str
) -> None:
    with pytest.raises(openai.BadRequestError) as refused:
        client.embeddings.create(**{"model": NAME, "input": "disk full", **MISTAKES[param]})
    assert refused.value.param == param
    assert refused.value.type == "invalid_request_error"
    assert param in refused.value.message


def test_a_token_id_that_the_model_does_not_have_is_a_bad_request(client: openai.OpenAI) -> None:
    with pytest.raises(openai.BadRequestError, match="token ids go from 0 to 2499"):
        client.embeddings.create(model=NAME, input=[2, 2500, 3])


def test_another_model_is_not_found(client: openai.OpenAI) -> None:
    with pytest.raises(openai.NotFoundError, match="'gpt-7' is not here") as refused:
        client.embeddings.create(model="gpt-7", input="disk full")
    assert refused.value.param == "model"


def test_a_call_that_is_not_there_is_not_found(client: openai.OpenAI) -> None:
    with pytest.raises(openai.NotFoundError, match="there is nothing at /v1/moderations"):
        client.moderations.create(model=NAME, input="Hi")


def test_a_model_of_another_task_does_not_chat(client: openai.OpenAI) -> None:
    with pytest.raises(openai.BadRequestError, match="needs a text-generation model"):
        client.chat.completions.create(model=NAME, messages=[{"role": "user", "content": "Hi"}])


def test_a_model_of_another_task_does_not_embed(samples: dict[str, str]) -> None:
    with (
        connected(samples["alarm-triage"]) as client,
        pytest.raises(openai.BadRequestError, match="needs a feature-extraction model"),
    ):
        client.embeddings.create(model="alarm-triage", input="disk full")


def test_as_many_texts_as_openai_takes_are_answered_in_one_request(client: openai.OpenAI) -> None:
    texts = [f"alarm {number}" for number in range(2048)]
    many = client.embeddings.create(model=NAME, input=texts)
    assert [each.index for each in many.data] == list(range(2048))
    last = client.embeddings.create(model=NAME, input=texts[-1])
    np.testing.assert_allclose(many.data[-1].embedding, last.data[0].embedding, atol=CLOSE)
