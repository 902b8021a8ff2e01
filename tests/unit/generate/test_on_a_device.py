"""Generating as on a GPU, but for the session and the memory, which are the processor's."""

import gc
import threading
from dataclasses import replace

import pytest
from as_cuda import on_cuda, without_a_gpu
from chat_models import (
    ADAPTERS,
    adapter_references,
    answer,
    answers,
    greedy,
    loader,
    references,
    revision,
)
from host_memory import HostMemory

from shoal.api.model import Backend, ExecutionProvider, OnnxRuntime
from shoal.errors import InferenceFailed, MemoryExceeded, ModelUnsupported
from shoal_serving.loading import generative, load_model
from shoal_serving.loading.place import CUDA_BYTES

# Of 30 prompts; the others end otherwise in float16.
LEAST = 26


@pytest.fixture
def memory(monkeypatch):
    return without_a_gpu(monkeypatch)


@pytest.fixture
def load(place, memory):
    with loader(place, on_cuda) as load:
        yield load


def agreeing(got, entries):
    return sum(a == b for a, (_, b) in zip(got, entries, strict=True))


async def test_answers_alone_and_at_once_are_those_of_the_references(load):
    model = load()
    generations = [greedy(prompt) for prompt, _ in references()]
    alone = [await answer(model, generation) for generation in generations]
    assert agreeing(alone, references()) >= LEAST
    assert agreeing(await answers(model, generations), references()) >= LEAST
    assert model.engine.statistics.of(None).cached > 0


async def test_each_adapter_answers_as_its_references(load):
    model = load(adapters=ADAPTERS)
    for name in ADAPTERS:
        entries = adapter_references(name)
        got = await answers(model, [greedy(prompt, adapter=name) for prompt, _ in entries])
        assert agreeing(got, entries) >= 0.8 * len(entries)


async def test_an_adapter_that_comes_later_is_put_there(load):
    model = load(adapters=ADAPTERS)
    assert load(model, adapters=ADAPTERS[:1], generation=2) is model
    assert load(model, adapters=ADAPTERS, generation=3) is model
    entries = adapter_references("terse")
    got = await answers(model, [greedy(prompt, adapter="terse") for prompt, _ in entries])
    assert agreeing(got, entries) >= 0.8 * len(entries)


@pytest.mark.parametrize(("precision", "least"), [("fp16", 26), ("int8", 22), ("int4", 14)])
async def test_other_precisions_agree_mostly(load, precision, least):
    model = load(precision=precision)
    assert model.precision == precision
    got = await answers(model, [greedy(prompt) for prompt, _ in references()])
    assert agreeing(got, references()) >= least


async def test_an_int8_cache_agrees_mostly(load):
    model = load(kv_cache="int8")
    got = await answers(model, [greedy(prompt) for prompt, _ in references()])
    assert agreeing(got, references()) >= 20


def test_auto_is_fp16(load):
    assert load().precision == "fp16"


def test_fp32_is_refused(load):
    with pytest.raises(ModelUnsupported, match="a GPU computes in fp16 only"):
        load(precision="fp32")


async def test_a_device_that_fails_ends_what_is_moved_and_no_more(load, memory):
    model = load(prefix_cache="0")
    short, long = (greedy(references()[0][0], most=most) for most in (1, 12))
    expected = await answer(model, long)
    memory.broken, both = True, threading.Event()
    # Else the short one may be gone before the long one comes.
    model.engine.between_steps(both.wait)
    first, second = await model.start(short), await model.start(long)
    both.set()
    assert [token async for delta in first for token in delta.tokens]
    with pytest.raises(InferenceFailed, match="the device fails"):
        [delta async for delta in second]
    memory.broken = False
    assert await answer(model, long) == expected


async def test_a_prefix_that_cannot_be_read_is_not_kept(load, memory):
    model, asked = load(), greedy(references()[0][0])
    model.engine.prefixes.clear()
    memory.broken = True
    assert await answer(model, asked) == await answer(model, asked)
    assert model.engine.prefixes.size == 0


def test_what_is_in_the_gpus_memory_is_told_apart(load, memory):
    model = load()
    room = model.room
    assert room.kv_bytes in map(len, memory.blocks.values())
    assert room.bytes == room.logits_bytes + room.prefix_bytes
    assert model.bytes.gpu > room.kv_bytes + 2_000_000
    assert model.generation.kv_bytes == room.kv_bytes


def test_the_gpus_memory_is_given_back(place, memory):
    load_model("chat", on_cuda(revision()), place, lambda *step: None, None).close()
    gc.collect()
    assert not memory.blocks


SHARE = CUDA_BYTES + 64 * 2**20


def test_a_session_gets_the_share_without_the_keys_and_values(place, memory):
    shared = replace(place, gpu=True, gpu_memory=SHARE)
    model = load_model("chat", on_cuda(revision()), shared, lambda *step: None, None)
    assert model.room.kv_bytes > 0
    assert memory.shares == [SHARE - CUDA_BYTES - model.room.kv_bytes]
    model.close()


def test_a_session_that_shares_with_nobody_gets_what_there_is(load, memory):
    load()
    assert memory.shares == [None]


def test_what_is_more_than_the_share_is_refused_before_any_of_it_is_taken(place, memory):
    shared = replace(place, gpu=True, gpu_memory=2**20)
    with pytest.raises(MemoryExceeded, match=r"spec.resources.gpu.memory allows 1 MiB") as refused:
        load_model("chat", on_cuda(revision()), shared, lambda *step: None, None)
    assert "spec.generation.maxSequences" in refused.value.action
    assert not memory.shares


def test_a_share_in_which_not_all_rows_can_run_is_told(place, memory, monkeypatch):
    """What is over is seen when all generate at once, and not when a prompt runs alone."""
    opened = generative.open_session
    monkeypatch.setattr(generative, "open_session", lambda *asked: Crowded(opened(*asked)))
    with pytest.raises(MemoryExceeded, match="a run wants 5 MiB more, 1 MiB are left") as refused:
        load_model("chat", on_cuda(revision()), place, lambda *step: None, None)
    assert "spec.generation.maxSequences" in refused.value.action
    assert not memory.blocks


class Crowded:
    """A session whose share is enough for two runs."""

    def __init__(self, session):
        self._session = session
        self._runs = 0

    def __getattr__(self, name):
        return getattr(self._session, name)

    def run_with_iobinding(self, binding):
        self._runs += 1
        if self._runs > 2:
            words = "Available memory of 1048576 is smaller than requested bytes of 5242880"
            raise RuntimeError(f"Error in execution: bfc_arena.cc:360 {words}")
        self._session.run_with_iobinding(binding)


def test_a_gpu_without_the_memory_is_told(place, monkeypatch):
    without_a_gpu(monkeypatch, HostMemory(limit=8_000_000))
    asked = on_cuda(revision(max_sequences=64))
    with pytest.raises(MemoryExceeded, match=r"The GPU has no \d+ MiB for the KV cache") as refused:
        load_model("chat", asked, place, lambda *step: None, None)
    assert "spec.generation.maxSequences" in refused.value.action


def test_tensorrt_is_refused(place):
    runtime = OnnxRuntime(execution_providers=(ExecutionProvider.TENSORRT, ExecutionProvider.CUDA))
    asked = revision().model_copy(update={"backend": Backend(onnx_runtime=runtime)})
    with pytest.raises(ModelUnsupported, match="TensorrtExecutionProvider was asked for"):
        load_model("chat", asked, place, lambda *step: None, None)
