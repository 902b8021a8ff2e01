"""A Model of text that is changed while streams run: none fails, each says what it should."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from chatter import Chatter
from completions_stream import Completion, completion
from conftest import Platform, eventually, shoal
from decoders import decoder, random_weights
from peft_adapters import random_changes, stored, write_adapter
from spoken import LONGEST, MODELS, TINY_CHAT, Spoken, spoken

from shoal.api import ConditionType, Reason

NAME = "talker"
URI = f"file://{TINY_CHAT}"
BASE, PIRATE, TERSE = (spoken(name)[:6] for name in ("chat", "pirate", "terse"))
SOME = 50


def adapter(name: str, folder: Path | None = None) -> dict[str, str]:
    return {"name": name, "uri": f"file://{folder or MODELS / f'tiny-chat-lora-{name}'}"}


def serve(platform: Platform, *adapters: dict[str, str], tokens: int = 1024, **spec: Any) -> str:
    """The revision that then serves."""
    generation = {"maxSequences": 8, "maxTokens": tokens, "adapters": list(adapters)}
    platform.serve(NAME, "text-generation", URI, generation=generation, **spec)
    return str(platform.model(NAME).status.revision)


@pytest.fixture
def base(platform: Platform) -> str:
    """The base URL of the Model with one adapter, as every test finds it."""
    serve(platform, adapter("pirate"))
    return f"{platform.url}/default/{NAME}"


def as_referenced(case: Spoken, answer: Completion) -> bool:
    return answer.text == case.answer


@pytest.fixture
def streams(base: str) -> Iterator[Chatter]:
    """Streams of the model itself and of the adapter, which go on until the test ends."""
    cases = [Spoken(NAME, case.tokens, case.prompt, case.answer) for case in BASE]
    with Chatter(base, [*cases, *PIRATE], as_referenced) as chatter:
        eventually(lambda: chatter.revisions.total() > SOME, "streams end")
        yield chatter


def go_on(streams: Chatter, revision: str) -> None:
    """Wait until this revision has given some answers."""
    eventually(lambda: streams.revisions[revision] > SOME, f"{revision} answers")


def ask(base: str, name: str) -> httpx.Response:
    body = {"model": name, "prompt": TERSE[0].tokens, "temperature": 0, "max_tokens": LONGEST}
    return httpx.post(f"{base}/v1/completions", json=body, timeout=60)


def adapters_of(platform: Platform) -> tuple[str, ...]:
    """Those that the status tells of."""
    facts = platform.model(NAME).status.model
    assert facts is not None
    assert facts.generation is not None
    return facts.generation.adapters


def test_an_adapter_comes_and_goes_while_streams_run(
    platform: Platform, base: str, streams: Chatter
) -> None:
    before = str(platform.model(NAME).status.revision)
    with_it = serve(platform, adapter("pirate"), adapter("terse"))
    assert adapters_of(platform) == ("pirate", "terse")
    assert ask(base, "terse").json()["choices"][0]["text"] == TERSE[0].answer
    go_on(streams, with_it)
    after = serve(platform, adapter("pirate"))
    assert adapters_of(platform) == ("pirate",)
    gone = ask(base, "terse")
    assert (gone.status_code, gone.json()["error"]["code"]) == (404, "model_not_found")
    go_on(streams, after)
    assert streams.failures == []
    assert (before, before != with_it) == (after, True)


def test_an_adapter_of_another_base_changes_nothing_and_is_named(
    platform: Platform, base: str, streams: Chatter, tmp_path: Path
) -> None:
    before = str(platform.model(NAME).status.revision)
    changes = random_changes(random_weights(decoder()), ("q_proj",))
    foreign = adapter("foreign", write_adapter(tmp_path / "foreign", stored(changes)))
    generation = {"maxSequences": 8, "maxTokens": 1024, "adapters": [adapter("pirate"), foreign]}
    platform.apply(NAME, "text-generation", URI, generation=generation)
    eventually(lambda: platform.condition(NAME, ConditionType.STALLED), "Stalled")
    status = platform.model(NAME).status
    assert status.last_failure is not None
    assert status.last_failure.reason is Reason.MODEL_LOAD_FAILED
    assert "foreign" in status.last_failure.message
    assert status.last_failure.action
    assert status.revision == before
    assert adapters_of(platform) == ("pirate",)
    go_on(streams, before)
    assert streams.failures == []


async def test_a_stream_that_is_longer_than_what_may_be_asked_now_goes_on_to_its_end(
    platform: Platform, base: str
) -> None:
    long = {"prompt": BASE[0].tokens, "max_tokens": 900, "ignore_eos": True, "temperature": 1}
    async with (
        httpx.AsyncClient(timeout=60, trust_env=False) as client,
        completion(client, base, **long) as running,
    ):
        await running.begun()
        serve(platform, adapter("pirate"), tokens=64)
        refused = await client.post(f"{base}/v1/completions", json={"prompt": [5] * 64})
        await running.ended()
    assert (running.done, running.finish) == (True, "length")
    assert refused.json()["error"]["code"] == "context_length_exceeded"


def test_the_precision_is_changed_while_streams_run(platform: Platform, base: str) -> None:
    fp32 = str(platform.model(NAME).status.revision)
    quantized: dict[str, str] = {}

    def right(case: Spoken, answer: Completion) -> bool:
        """The old revision says what the reference says; the new one is of one mind."""
        (revision,) = answer.revisions
        if revision == fp32:
            return answer.text == case.answer
        return answer.text == quantized.setdefault(f"{case.model} {case.prompt}", answer.text)

    with Chatter(base, PIRATE, right) as streams:
        go_on(streams, fp32)
        int8 = serve(platform, adapter("pirate"), precision="int8")
        go_on(streams, int8)
    assert streams.failures == []
    assert fp32 != int8
    described = shoal(platform, "describe", f"model/{NAME}").stdout
    assert re.search("Model:\n(.*\n)*.* Sequences: +8\n(.*\n)*.* Precision: +int8\n", described)
