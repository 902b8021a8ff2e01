"""Token for token what transformers and PEFT generate, alone and in whatever company."""

import asyncio
import random

import pytest
from chat_models import (
    ADAPTERS,
    adapter_references,
    answer,
    answers,
    greedy,
    references,
    revision,
)

from shoal_serving.generate import pace
from shoal_serving.loading import load_model


def everything():
    """Every stored reference: (generation, its tokens)."""
    base = [(greedy(prompt), tokens) for prompt, tokens in references()]
    adapted = [
        (greedy(prompt, adapter=name), tokens)
        for name in ADAPTERS
        for prompt, tokens in adapter_references(name)
    ]
    return base + adapted


async def test_each_answer_alone(adapted):
    for generation, tokens in everything():
        assert await answer(adapted, generation) == tokens


async def test_all_answers_at_once(adapted):
    generations, tokens = zip(*everything(), strict=True)
    assert await answers(adapted, generations) == list(tokens)


async def test_answers_from_kept_prefixes(adapted):
    generations, tokens = zip(*everything(), strict=True)
    await answers(adapted, generations)
    assert await answers(adapted, generations) == list(tokens)
    assert adapted.engine.statistics.of(None).cached > 0
    assert adapted.engine.statistics.of("pirate").cached > 0


@pytest.mark.parametrize("chunk", [1, 3, 7, 100])
async def test_prompts_computed_in_parts(load, monkeypatch, chunk):
    monkeypatch.setattr(pace.Pace, "budget", lambda self, *rows: chunk)
    model = load(prefix_cache="0")
    assert await answers(model, [greedy(p) for p, _ in references()]) == [
        tokens for _, tokens in references()
    ]


@pytest.mark.parametrize("seed", range(3))
async def test_in_random_company(adapted, seed):
    """Others arrive, are given up, and end at every step; some prompts come back."""
    chance = random.Random(seed)

    async def one(generation, tokens):
        for _ in range(chance.randrange(20)):
            await asyncio.sleep(0)
        assert await answer(adapted, generation) == tokens

    async def passer_by(generation):
        for _ in range(chance.randrange(20)):
            await asyncio.sleep(0)
        stream = await adapted.start(generation)
        left = chance.randrange(1, 12)
        async for delta in stream:
            left -= len(delta.tokens)
            if left <= 0:
                break
        stream.cancel()

    wanted = chance.sample(everything(), 30)
    company = [passer_by(chance.choice(wanted)[0]) for _ in range(20)]
    await asyncio.gather(*(one(*entry) for entry in wanted), *company)


async def test_while_adapters_come_and_go(adapted, place):
    """Who has an adapter keeps it, though it is no longer served; the others notice nothing."""
    wanted = everything() * 2
    running = [asyncio.create_task(answer(adapted, generation)) for generation, _ in wanted]
    await asyncio.sleep(0)
    for generation, names in enumerate([("terse",), ("terse", "pirate"), (), ADAPTERS], 2):
        changed = revision(adapters=names, generation=generation)
        same = await asyncio.to_thread(
            load_model, "chat", changed, place, lambda *step: None, adapted
        )
        assert same is adapted
        assert set(adapted.adapters) == set(names)
    assert await asyncio.gather(*running) == [tokens for _, tokens in wanted]
    generations, tokens = zip(*everything(), strict=True)
    assert await answers(adapted, generations) == list(tokens)


@pytest.mark.parametrize(("precision", "least"), [("int8", 22), ("int4", 14), ("fp16", 26)])
async def test_other_precisions_agree_mostly(load, precision, least):
    model = load(precision=precision)
    assert model.precision == precision
    got = await answers(model, [greedy(prompt) for prompt, _ in references()])
    assert sum(a == b for a, (_, b) in zip(got, references(), strict=True)) >= least
