"""A loaded model from the event loop's side: what it takes, refuses, gives up and gives back."""

import asyncio
import json
import random
import threading
import time
import weakref
from dataclasses import replace

import numpy as np
import pytest
from chat_models import END, answer, greedy, references, revision

from shoal.errors import (
    DeadlineExceeded,
    InferenceFailed,
    InvalidRequest,
    MemoryExceeded,
    ModelNotFound,
    Overloaded,
)
from shoal_serving.generate.grammar.trial import Trial
from shoal_serving.generate.request import Finish, Generation, Grammar, GrammarKind, Sampling
from shoal_serving.generate.stream import joined
from shoal_serving.loading import Place, load_model

PROMPT, TOKENS = references()[1]


def endless(most=None, **sampling):
    """Does not end by itself."""
    generation = greedy(PROMPT, most, ignore_eos=True)
    return replace(generation, sampling=Sampling(**{"temperature": 0} | sampling))


async def whole(model, generation):
    return joined([delta async for delta in await model.start(generation)])


async def until(condition):
    async with asyncio.timeout(30):
        while not condition():
            await asyncio.sleep(0.001)


async def test_a_prompt_that_leaves_no_room_is_refused_with_the_limit(load):
    model = load(max_tokens=20)
    with pytest.raises(InvalidRequest, match="24 tokens; this model takes 20") as refused:
        await model.start(greedy(PROMPT))
    assert refused.value.code == "context_length_exceeded"


async def test_prompts_that_nearly_fill_the_context_run_together(load):
    model, chance = load(prefix_cache="0"), random.Random(1)
    lengths = [chance.choice((900, 960, 1000, 1010)) for _ in range(24)]
    prompts = [[chance.randrange(3, 2000) for _ in range(length)] for length in lengths]
    deltas = await asyncio.gather(*(whole(model, greedy(p, 1)) for p in prompts))
    assert all(len(delta.tokens) == 1 for delta in deltas)


async def test_an_answer_ends_where_the_context_does(load):
    model = load(max_tokens=len(PROMPT) + 5)
    delta = await whole(model, endless())
    assert (len(delta.tokens), delta.finish) == (5, Finish.LENGTH)


async def test_the_context_is_the_models_own_where_that_is_less(load):
    assert load(max_tokens=5000).context == 1024


@pytest.mark.parametrize(
    ("generation", "words"),
    [
        (greedy([]), "the prompt has no tokens"),
        (greedy([1, 2048]), "token 2048 is not in the vocabulary of 2048"),
        (replace(greedy(PROMPT), sampling=Sampling(top_p=2)), "top_p"),
        (replace(greedy(PROMPT), grammar=Grammar(GrammarKind.REGEX, "(")), "regex"),
    ],
)
async def test_what_makes_no_sense_is_refused(chat, generation, words):
    with pytest.raises(InvalidRequest, match=words):
        await chat.start(generation)
    await chat.drain()


async def test_an_adapter_that_is_not_there_is_refused(chat):
    with pytest.raises(ModelNotFound, match="no adapter 'gone'; served: none"):
        await chat.start(greedy(PROMPT, adapter="gone"))
    await chat.drain()


async def test_more_than_run_and_wait_is_refused(load):
    model = load(max_sequences=1)
    model.tune(
        revision(max_sequences=1).model_copy(update={"batching": batching(max_queue_size=1)})
    )
    streams = [await model.start(endless()) for _ in range(2)]
    with pytest.raises(Overloaded, match="2 sequences under way"):
        await model.start(endless())
    streams[0].cancel()
    streams.append(await model.start(endless(3)))
    streams[1].cancel()
    assert joined([delta async for delta in streams[2]]).finish is Finish.LENGTH


async def test_who_waits_too_long_is_told_so(load):
    model = load(max_sequences=1)
    stream = await model.start(endless())
    with pytest.raises(DeadlineExceeded, match="for its turn"):
        await whole(model, replace(endless(3), deadline=time.monotonic() - 1))
    stream.cancel()


async def test_a_smaller_priority_goes_first(load):
    model = load(max_sequences=1)
    first = await model.start(endless(200))
    order = []

    async def ends(name, priority):
        await whole(model, replace(endless(3), priority=priority))
        order.append(name)

    await asyncio.gather(ends("late", 0), ends("urgent", -1), whole_of(first))
    assert order == ["urgent", "late"]


async def whole_of(stream):
    return joined([delta async for delta in stream])


async def test_a_sequence_that_is_given_up_frees_its_row_for_the_next(load):
    model = load(max_sequences=1)
    for _ in range(5):
        stream = await model.start(endless())
        await anext(stream)
        stream.cancel()
    assert await answer(model, greedy(PROMPT)) == TOKENS
    assert model.engine.statistics.of(None).finished["abort"] == 5


async def test_draining_waits_for_every_sequence(chat):
    streams = [await chat.start(endless(50)) for _ in range(3)]
    draining = asyncio.create_task(chat.drain())
    await asyncio.gather(*(whole_of(stream) for stream in streams))
    await asyncio.wait_for(draining, 30)


async def test_what_still_runs_when_it_is_closed_is_told_so(load):
    model = load()
    stream = await model.start(endless())
    await anext(stream)
    await asyncio.to_thread(model.close)
    with pytest.raises(InferenceFailed, match="unloaded"):
        await whole_of(stream)


async def test_a_model_that_was_closed_says_try_again(load):
    model = load()
    await asyncio.to_thread(model.close)
    with pytest.raises(Overloaded, match="just replaced"):
        await model.start(greedy(PROMPT))
    await model.drain()


async def test_a_model_that_was_closed_gives_back_its_memory_whoever_still_holds_it(load):
    model = load(("pirate",))
    await answer(model, greedy(PROMPT * 4))
    runner = model.engine.runner
    session = weakref.ref(runner.decoder.session)
    assert (runner.cache.bytes > 0, model.engine.prefixes.size > 0) == (True, True)
    await asyncio.to_thread(model.close)
    assert (runner.cache.bytes, model.engine.prefixes.size, session()) == (0, 0, None)
    model.change_adapters([], ())


async def test_a_proof_passes_beside_a_full_house(load):
    model = load(max_sequences=2)
    streams = [await model.start(endless()) for _ in range(2)]
    await asyncio.to_thread(model.prove)
    for stream in streams:
        stream.cancel()
    await until(lambda: model.engine.statistics.running == 0)
    await asyncio.to_thread(model.prove)


async def test_the_same_seed_says_the_same_whatever_else_runs(chat):
    lively = endless(40, temperature=1.0, seed=7)
    alone = await whole(chat, lively)
    others = [endless(60, temperature=1.0, seed=seed) for seed in range(6)]
    together = await asyncio.gather(*(whole(chat, one) for one in [*others, lively]))
    assert together[-1].tokens == alone.tokens
    assert len({delta.tokens for delta in together}) == 7


async def test_a_stop_string_ends_it_and_is_not_sent(chat):
    text = (await whole(chat, greedy(PROMPT))).text
    stop = text[9:14]
    delta = await whole(chat, greedy(PROMPT, strings=(stop,)))
    assert (delta.text, delta.finish, delta.stop) == (text[: text.index(stop)], "stop", stop)


async def test_a_stop_token_ends_it(chat):
    delta = await whole(chat, greedy(PROMPT, tokens=frozenset({TOKENS[4]})))
    assert (delta.finish, delta.stop) == (Finish.STOP, TOKENS[4])
    assert list(delta.tokens) == TOKENS[: TOKENS.index(TOKENS[4]) + 1]


async def test_it_does_not_end_before_its_least_tokens(chat):
    delta = await whole(chat, greedy(PROMPT, 40, min_tokens=30))
    assert len(delta.tokens) >= 30
    assert END not in delta.tokens[:29]


async def test_logprobs_are_those_of_the_model(chat):
    asked = replace(greedy(PROMPT), sampling=Sampling(temperature=0, logprobs=3))
    delta = await whole(chat, asked)
    assert [entry.token for entry in delta.logprobs] == list(delta.tokens)
    for entry in delta.logprobs:
        assert len(entry.top) == 3
        assert entry.top[0] == (entry.token, entry.logprob)


async def test_a_prompts_own_logprobs_are_those_of_its_tokens(chat):
    """Those of the answer, asked for again as a part of a prompt."""
    answered = await whole(chat, replace(greedy(PROMPT), sampling=Sampling(0, logprobs=1)))
    longer = [*PROMPT, *answered.tokens]
    scored = replace(greedy(longer, 1), prompt_logprobs=1)
    delta = await whole(chat, scored)
    assert delta.prompt_logprobs[0] is None
    tail = delta.prompt_logprobs[len(PROMPT) :]
    assert [entry.token for entry in tail] == list(answered.tokens)
    np.testing.assert_allclose(
        [entry.logprob for entry in tail], [e.logprob for e in answered.logprobs], atol=1e-4
    )


async def test_a_prompt_can_be_scored_without_an_answer(chat):
    delta = await whole(chat, replace(greedy(PROMPT, 0), prompt_logprobs=0))
    assert (delta.tokens, delta.finish) == ((), Finish.LENGTH)
    assert len(delta.prompt_logprobs) == len(PROMPT)


async def test_a_grammar_gives_its_form(chat):
    schema = {
        "type": "object",
        "properties": {
            "city": {"type": "string", "maxLength": 12},
            "size": {"type": "integer", "maximum": 999},
        },
        "required": ["city", "size"],
        "additionalProperties": False,
    }
    grammar = Grammar(GrammarKind.JSON_SCHEMA, schema)
    free = [Generation(tuple(PROMPT), Sampling(seed=seed), grammar=grammar) for seed in range(8)]
    for delta in await asyncio.gather(*(whole(chat, one) for one in free)):
        assert delta.finish is Finish.STOP
        assert set(json.loads(delta.text)) == {"city", "size"}


async def test_a_known_grammar_does_not_wait_for_a_new_one(chat, monkeypatch):
    known = replace(greedy(PROMPT), grammar=Grammar(GrammarKind.CHOICE, ["yes"]))
    await whole(chat, known)
    tried, released, fault = threading.Event(), threading.Event(), Trial.fault

    def slow(trial, text):
        tried.set()
        released.wait(9)
        return fault(trial, text)

    monkeypatch.setattr(Trial, "fault", slow)
    new = asyncio.create_task(
        whole(chat, replace(known, grammar=Grammar(GrammarKind.CHOICE, ["no"])))
    )
    assert await asyncio.to_thread(tried.wait, 30)
    assert (await whole(chat, known)).text == "yes"
    assert not new.done()
    released.set()
    assert (await new).text == "no"


async def test_too_many_new_grammars_at_once_are_told_to_try_again(chat, monkeypatch):
    released, fault = threading.Event(), Trial.fault
    monkeypatch.setattr(Trial, "fault", lambda self, text: released.wait(30) and fault(self, text))
    new = [replace(greedy(PROMPT), grammar=Grammar(GrammarKind.CHOICE, [f"{i}"])) for i in range(9)]
    tasks = [asyncio.create_task(whole(chat, one)) for one in new]
    with pytest.raises(Overloaded, match="8 new grammars are being tried"):
        await next(asyncio.as_completed(tasks))
    released.set()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert sum(isinstance(result, Overloaded) for result in results) == 1


async def test_a_prompt_that_was_seen_is_not_computed_again(chat):
    long = PROMPT * 10
    first, second = (await chat.start(greedy(long, 3)) for _ in range(1)), None
    await whole_of(await anext(first))
    second = await chat.start(greedy(long, 3))
    await whole_of(second)
    assert second.cached_tokens == (len(long) - 1) // 16 * 16


async def test_prompts_that_begin_alike_and_come_together_are_computed_once(chat):
    beginning = PROMPT * 10
    prompts = [[*beginning, number, 30 + number] for number in range(6)]
    streams = [await chat.start(greedy(prompt, 3)) for prompt in prompts]
    await asyncio.gather(*(whole_of(stream) for stream in streams))
    assert [stream.cached_tokens for stream in streams] == [0] + 5 * [len(beginning) // 16 * 16]


async def test_who_waits_for_a_prompt_that_is_given_up_computes_it_itself(chat):
    prompt = PROMPT * 30
    first, second = [await chat.start(greedy(prompt, 3)) for _ in range(2)]
    first.cancel()
    assert len((await whole_of(second)).tokens) == 3


async def test_the_cache_is_planned_from_the_memory_that_it_may_take(place):
    small = Place(place.cache, threads=1, memory=256 * 2**20)
    wanted = revision(max_sequences=1000)
    model = await asyncio.to_thread(load_model, "chat", wanted, small, lambda *step: None)
    assert 1 < model.generation.sequences < 256
    assert model.generation.kv_bytes == model.generation.sequences * 1024 * 2048
    assert model.bytes.peak <= 256 * 2**20
    model.close()


def test_a_memory_in_which_no_sequence_fits_is_refused_with_the_numbers(place):
    small = Place(place.cache, threads=1, memory=6 * 2**20)
    with pytest.raises(
        MemoryExceeded,
        match="2 MiB, kept prefixes 4 MiB, logits of prompts 16 MiB; the model leaves",
    ):
        load_model("chat", revision(), small, lambda *step: None)


def batching(**fields):
    from shoal.api.model import Batching

    return Batching(**fields)
