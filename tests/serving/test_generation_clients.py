"""Clients of text generation, unmodified: each gets what the chat sample's references say."""

import asyncio
import itertools

import httpx
import numpy as np
import openai
import pytest
from completions_stream import completion
from huggingface_hub import InferenceClient
from langchain_openai import ChatOpenAI
from spoken import LONGEST, NAMES, Spoken, spoken
from tritonclient.http import InferenceServerClient, InferInput

STREAMS = 30


@pytest.fixture
def base(samples: dict[str, str]) -> str:
    return samples["chat"]


@pytest.fixture(params=NAMES)
def case(request: pytest.FixtureRequest) -> Spoken:
    """One for the model itself and for each adapter."""
    return spoken(request.param)[4]


def connected(base: str) -> openai.OpenAI:
    return openai.OpenAI(base_url=f"{base}/v1", api_key="unused", max_retries=0)


def said(message: str) -> list[dict[str, str]]:
    return [{"role": "user", "content": message}]


def test_openais_client_gets_an_answer_and_streams_the_same(base: str, case: Spoken) -> None:
    asked = {"model": case.model, "messages": said(case.message), "temperature": 0}
    with connected(base) as client:
        answer = client.chat.completions.create(**asked)
        chunks = list(client.chat.completions.create(**asked, stream=True))
    assert answer.choices[0].message.content == case.answer
    assert answer.usage.prompt_tokens == len(case.tokens)
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == case.answer
    assert (chunks[-1].choices[0].finish_reason, chunks[-1].model) == ("stop", case.model)


def test_the_adapters_are_listed_as_models(base: str) -> None:
    with connected(base) as client:
        models = client.models.list().data
        terse = client.models.retrieve("terse")
    assert [model.id for model in models] == list(NAMES)
    assert terse.model_dump()["parent"] == "chat"


def test_a_prompt_that_is_too_long_is_told_so_in_openais_words(base: str) -> None:
    with connected(base) as client, pytest.raises(openai.BadRequestError) as refused:
        client.chat.completions.create(model="chat", messages=said("disk full " * 2000))
    assert refused.value.code == "context_length_exceeded"
    assert "1024" in refused.value.message


def test_langchain_answers_and_streams(base: str, case: Spoken) -> None:
    model = ChatOpenAI(base_url=f"{base}/v1", api_key="unused", model=case.model, temperature=0)
    assert model.invoke(case.message).content == case.answer
    assert "".join(str(part.content) for part in model.stream(case.message)) == case.answer


def test_hugging_faces_client_generates_streams_and_chats(base: str) -> None:
    client, case = InferenceClient(model=base, token="unused"), spoken("chat")[4]
    asked = {"max_new_tokens": LONGEST, "do_sample": False}
    assert client.text_generation(case.prompt, **asked) == case.answer
    assert "".join(client.text_generation(case.prompt, **asked, stream=True)) == case.answer
    chat = client.chat_completion(said(case.message), temperature=0)
    assert chat.choices[0].message.content == case.answer
    parts = client.chat_completion(said(case.message), temperature=0, stream=True)
    assert "".join(part.choices[0].delta.content or "" for part in parts) == case.answer


def test_tritonclient_infers(base: str) -> None:
    cases = spoken("chat")[:3]
    prompts = np.array([case.prompt.encode() for case in cases], np.object_)
    inputs = [InferInput("text_input", [len(cases)], "BYTES").set_data_from_numpy(prompts)]
    alone = InferInput("exclude_input_in_output", [1], "BOOL")
    inputs.append(alone.set_data_from_numpy(np.array([True])))
    asked = {"temperature": 0, "max_tokens": LONGEST}
    with InferenceServerClient(base.removeprefix("http://")) as client:
        answer = client.infer("chat", inputs, parameters=asked).as_numpy("text_output")
    assert [text.decode() for text in answer] == [case.answer for case in cases]


async def test_thirty_streams_at_once_each_say_their_own_text(base: str) -> None:
    mixed = zip(*map(itertools.cycle, map(spoken, NAMES)), strict=True)
    cases = list(itertools.islice(itertools.chain.from_iterable(mixed), STREAMS))
    async with httpx.AsyncClient(timeout=60, trust_env=False) as client:
        answers = await asyncio.gather(*(streamed(client, base, case) for case in cases))
    assert answers == [case.answer for case in cases]


async def streamed(client: httpx.AsyncClient, base: str, case: Spoken) -> str:
    asked = {"model": case.model, "prompt": case.tokens, "max_tokens": LONGEST}
    async with completion(client, base, **asked) as answer:
        await answer.ended()
    assert answer.done
    return answer.text
