"""Text generation on a real GPU: `python -m pytest tests/gpu`, a few minutes.

What is compared with transformers' answers is in float16 here, and ends otherwise now and then; how
many agree, and how fast it was, is told at the end of each test.
"""

import json
import random
import time
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from as_cuda import on_cuda
from chat_models import (
    ADAPTERS,
    TINY_CHAT,
    adapter_references,
    answer,
    answers,
    greedy,
    loader,
    references,
    revision,
)

from shoal_serving.artifacts import Cache
from shoal_serving.artifacts.convert import Device, Precision, convert
from shoal_serving.backends.cudart import CudaMemory
from shoal_serving.generate.cache import KeyValueCache, Layout
from shoal_serving.generate.device_cache import Box, DeviceCache, Extent
from shoal_serving.loading import Place, load_model

PROVIDER = "CUDAExecutionProvider"
if PROVIDER not in onnxruntime.get_available_providers():
    pytest.skip(f"needs a GPU: ONNX Runtime has no {PROVIDER} here", allow_module_level=True)

# What the time goes to.
COUNT = {
    "Gemm",
    "MatMulNBits",
    "GatherBlockQuantized",
    "GroupQueryAttention",
    "SimplifiedLayerNormalization",
    "SkipSimplifiedLayerNormalization",
    "QuickGelu",
    "Mul",
    "Where",
}


@pytest.fixture(scope="session")
def place(tmp_path_factory):
    return Place(Cache(tmp_path_factory.mktemp("cache")), threads=1, memory=None)


@pytest.fixture
def load(place):
    with loader(place, on_cuda) as load:
        yield load


@pytest.fixture
def tell(capsys):
    def tell(words):
        with capsys.disabled():
            print(f"\n    {words}")

    return tell


@pytest.fixture(scope="session")
def memory(place):
    """A session brings the libraries."""
    model = load_model("chat", on_cuda(revision()), place, lambda *step: None, None)
    memory = CudaMemory()
    model.close()
    return memory


def share(got, entries):
    return sum(a == b for a, (_, b) in zip(got, entries, strict=True)) / len(entries)


def layout():
    return Layout(("k0", "v0", "k1", "v1"), 3, 16, np.dtype(np.float16))


@pytest.mark.parametrize("seed", range(3))
def test_rows_on_the_gpu_hold_what_rows_here_do(memory, seed):
    chance, numbers = random.Random(seed), np.random.default_rng(seed)
    caches = KeyValueCache(layout(), 6, 40), DeviceCache(layout(), 6, 40, memory)
    for _ in range(50):
        start = chance.randrange(40)
        stop = chance.randint(start + 1, 40)
        row, other, tokens = *chance.sample(range(6), 2), chance.randint(0, 40)
        block = numbers.normal(size=(4, 3, stop - start, 16)).astype(np.float16)
        for cache in caches:
            cache.write(row, start, block)
            cache.move(row, other, tokens)
        for each in range(6):
            np.testing.assert_array_equal(*(cache.read(each, 0, 40) for cache in caches))


def test_other_values_reach_the_gpu(memory):
    values = np.arange(1000, dtype=np.int64)
    placed, back = DeviceCache(layout(), 1, 8, memory).place(values), np.zeros_like(values)
    source, target = (Box(at, values.nbytes, 1) for at in (placed.address, back.ctypes.data))
    memory.copy(source, target, Extent(values.nbytes, 1, 1))
    np.testing.assert_array_equal(values, back)


def test_more_than_the_gpu_has_is_a_memory_error(memory):
    with pytest.raises(MemoryError):
        memory.allocate(2**50)
    memory.free(memory.allocate(1024))  # and is forgotten


async def test_answers_alone_together_and_from_prefixes(load, tell):
    model = load()
    generations = [greedy(prompt) for prompt, _ in references()]
    alone = [await answer(model, generation) for generation in generations]
    together = await answers(model, generations)
    assert model.engine.statistics.of(None).cached > 0
    shares = share(alone, references()), share(together, references())
    tell(f"as transformers in float32: {shares[0]:.0%} alone, {shares[1]:.0%} together")
    assert min(shares) >= 0.8


async def test_many_come_and_go(load):
    """Rows end at every step, and others move into their places."""
    model, chance = load(prefix_cache="0"), random.Random(0)
    entries = [chance.choice(references()) for _ in range(100)]
    got = await answers(model, [greedy(p, most=chance.randint(1, 48)) for p, _ in entries])
    right = sum(
        tokens == whole[: len(tokens)] for tokens, (_, whole) in zip(got, entries, strict=True)
    )
    assert right >= 80


async def test_adapters_beside_the_base(load, tell):
    model = load(adapters=ADAPTERS)
    entries = {name: adapter_references(name) for name in ADAPTERS} | {None: references()}
    asked = [greedy(p, adapter=name) for name, found in entries.items() for p, _ in found]
    got = iter(await answers(model, asked))
    for name, found in entries.items():
        right = share([next(got) for _ in found], found)
        tell(f"adapter {name}: {right:.0%}")
        assert right >= 0.8


async def test_adapters_come_while_the_model_serves(load):
    model = load(adapters=ADAPTERS)
    assert load(model, adapters=(), generation=2) is model
    assert share(await answers(model, [greedy(p) for p, _ in references()]), references()) >= 0.8
    assert load(model, adapters=ADAPTERS, generation=3) is model
    entries = adapter_references("terse")
    got = await answers(model, [greedy(p, adapter="terse") for p, _ in entries])
    assert share(got, entries) >= 0.8


@pytest.mark.parametrize(("precision", "least"), [("fp16", 0.8), ("int8", 0.7), ("int4", 0.4)])
async def test_each_precision(load, tell, precision, least):
    model = load(precision=precision)
    right = share(await answers(model, [greedy(p) for p, _ in references()]), references())
    tell(f"{precision}: {right:.0%}")
    assert right >= least


async def test_an_int8_cache(load, tell):
    model = load(kv_cache="int8")
    right = share(await answers(model, [greedy(p) for p, _ in references()]), references())
    tell(f"int8 cache: {right:.0%}")
    assert right >= 0.6


@pytest.mark.parametrize("precision", [None, "int8", "int4"])
def test_all_that_counts_runs_on_the_gpu(memory, tmp_path, precision):
    """An operator that has no kernel there would run on the CPU, and only be slow."""
    path, options = tmp_path / "model.onnx", onnxruntime.SessionOptions()
    lora, chosen = ("q_proj", "down_proj"), precision and Precision(precision)
    convert(TINY_CHAT, "text-generation", path, chosen, lora, device=Device.CUDA)
    options.enable_profiling = True
    options.profile_file_prefix = str(tmp_path / "profile")
    session = onnxruntime.InferenceSession(path, options, providers=[PROVIDER])
    session.run(None, dict(one_run(session)))
    for event in json.loads(Path(session.end_profiling()).read_bytes()):
        arguments = event.get("args", {})
        if arguments.get("op_name") in COUNT:
            assert arguments["provider"] == PROVIDER, arguments["op_name"]


def one_run(session):
    """Three tokens of one sequence that has an adapter of rank 2."""
    values = {
        "input_ids": [[5, 6, 7]],
        "seqlens_k": [2],
        "total_sequence_length": 3,
        "logits_indices": [2],
        "adapter_ids": [1],
        "lora.adapters": [1, 1],
    }
    kinds = {"int64": np.int64, "int32": np.int32, "float16": np.float16}
    for spec in session.get_inputs():
        kind = kinds[spec.type.removeprefix("tensor(").removesuffix(")")]
        if spec.name in values:
            yield spec.name, np.array(values[spec.name], kind)
        elif spec.name.startswith("lora."):
            yield spec.name, np.ones((2, spec.shape[1]), kind)
        else:
            yield spec.name, np.zeros((1, spec.shape[1], 0, spec.shape[3]), kind)


async def test_a_prompt_of_a_new_length_costs_no_more_than_one_of_a_known_one(load, tell):
    """What makes a plan for every length would cost every user one."""
    model, prompt = load(prefix_cache="0"), references()[0][0] * 20
    for length in (16, 256):
        await answer(model, greedy(prompt[:length], most=1))
    seconds = {length: [] for length in range(40, 240, 10)}
    for _ in range(3):
        for length, found in seconds.items():
            began = time.perf_counter()
            await answer(model, greedy(prompt[:length], most=1))
            found.append(time.perf_counter() - began)
    new, known = (np.median([found[which] for found in seconds.values()]) for which in (0, -1))
    tell(f"a prompt of a new length: {new * 1e3:.1f} ms; of a known one: {known * 1e3:.1f} ms")
    assert new < 4 * known


@pytest.mark.parametrize("sequences", [1, 8, 32])
async def test_how_fast_it_is(load, tell, sequences):
    model, prompts = load(max_sequences=sequences, prefix_cache="0"), references() * 4
    asked = [greedy(prompt) for prompt, _ in prompts[: 4 * sequences]]
    await answers(model, asked[:sequences])
    began = time.perf_counter()
    tokens = sum(map(len, await answers(model, asked)))
    speed = tokens / (time.perf_counter() - began)
    tell(f"{TINY_CHAT.name}, {sequences} at once: {speed:.0f} tokens/s")
