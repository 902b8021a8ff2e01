"""tiny-chat with a KV cache of 8 bits: how near it stays, and what it saves."""

import asyncio
import shutil

import numpy as np
import pytest
from chat_models import (
    ADAPTERS,
    TINY_CHAT,
    adapter_references,
    answer,
    answers,
    greedy,
    references,
    revision,
)

from shoal.errors import ModelUnsupported
from shoal_serving.artifacts.convert import convert
from shoal_serving.generate.request import Generation, Sampling, Stopping
from shoal_serving.loading import Place, load_model

# More than the model has seen of anything, and more than the scales were measured on.
TEXT = [token for prompt, tokens in references() for token in (*prompt, *tokens)]
LONG, SHORT = (TEXT * 2)[:900], TEXT[:45]


def matches(got, entries):
    return sum(tokens == expected for tokens, (_, expected) in zip(got, entries, strict=True))


async def scores(model, tokens):
    """The log-probability of each token behind the first."""
    stopping = Stopping(max_tokens=1)
    generation = Generation(tuple(tokens), Sampling(temperature=0), stopping, prompt_logprobs=0)
    deltas = [delta async for delta in await model.start(generation)]
    return np.array([entry.logprob for delta in deltas for entry in delta.prompt_logprobs[1:]])


@pytest.mark.parametrize(("precision", "least"), [("auto", 22), ("fp16", 22), ("int4", 14)])
async def test_answers_agree_mostly(load, precision, least):
    model = load(precision=precision, kv_cache="int8")
    got = await answers(model, [greedy(prompt) for prompt, _ in references()])
    assert matches(got, references()) >= least


@pytest.mark.parametrize("precision", ["auto", "fp16", "int8", "int4"])
async def test_probabilities_are_near_those_of_the_whole_cache(load, precision):
    models = [load(precision=precision, kv_cache=kind) for kind in ("auto", "int8")]
    for tokens in (SHORT, LONG):
        whole, rounded = [await scores(model, tokens) for model in models]
        errors = np.abs(whole - rounded)
        assert errors.mean() < 0.06
        assert errors.max() < 1


@pytest.mark.parametrize("name", ADAPTERS)
async def test_adapters_agree_mostly_too(load, name):
    """They change keys and values, and the scales were measured without them."""
    model, entries = load(adapters=ADAPTERS, kv_cache="int8"), adapter_references(name)
    got = await answers(model, [greedy(prompt, adapter=name) for prompt, _ in entries])
    assert matches(got, entries) >= len(entries) - 1


async def test_company_and_kept_prefixes_change_nothing(load):
    model = load(kv_cache="int8", adapters=ADAPTERS)
    generations = [greedy(prompt) for prompt, _ in references()]
    alone = [await answer(model, generation) for generation in generations]
    company = [greedy(prompt, adapter=name) for name in ADAPTERS for prompt, _ in references()]
    together = await answers(model, [*generations, *company])
    assert together[: len(alone)] == alone
    assert model.engine.statistics.of(None).cached > 0


def test_a_token_takes_a_quarter_of_float32_and_half_of_float16(load):
    whole, half, int8 = (
        load(**fields).generation.kv_bytes
        for fields in ({}, {"precision": "fp16"}, {"kv_cache": "int8"})
    )
    assert (whole, half) == (4 * int8, 2 * int8)


def test_more_sequences_fit_into_the_same_memory(place):
    def room(kind):
        planned = revision(max_sequences=1024, prefix_cache="0", kv_cache=kind)
        limited = Place(place.cache, threads=1, memory=512 * 2**20)
        model = load_model("chat", planned, limited, lambda *step: None, None)
        model.close()
        return model.room.sequences

    assert room("int8") > 2 * room("auto")


def test_another_cache_is_another_model(load, place):
    model = load()
    changed = revision(kv_cache="int8", generation=2)
    other = load_model("chat", changed, place, lambda *step: None, model)
    assert other is not model
    assert other.revision != model.revision
    other.close()


async def test_a_graph_with_such_a_cache_is_served_as_it_is(load, tmp_path):
    folder = tmp_path / "graph"
    shutil.copytree(TINY_CHAT, folder)
    await asyncio.to_thread(
        convert, TINY_CHAT, "text-generation", folder / "model.onnx", int8_cache=True
    )
    model = load(folder=folder)
    assert model.generation.kv_bytes == load(kv_cache="int8").generation.kv_bytes
    with pytest.raises(ModelUnsupported, match=r"model.onnx, whose KV cache .*; int8 was asked"):
        load(folder=folder, kv_cache="int8")
