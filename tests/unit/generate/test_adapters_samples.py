"""The sample adapters of the sample chat model, token for token as transformers and PEFT answer."""

import json
from pathlib import Path

import numpy as np
import pytest
from decoders import DecoderGraph

from shoal.api.model import OnnxRuntime
from shoal_serving.artifacts.convert import Precision, convert
from shoal_serving.backends.onnx import OnnxBackend
from shoal_serving.generate.adapters import AdapterStacks, projections_of, read_adapter

MODELS = Path(__file__).parents[3] / "manifests" / "samples" / "models"
NAMES = ("pirate", "terse")
END = 2


def folder(name):
    return MODELS / f"tiny-chat-lora-{name}"


def cases(name):
    return json.loads((folder(name) / "reference.json").read_text())["cases"]


@pytest.fixture(scope="module", params=[Precision.FP32, Precision.FP16])
def served(request, tmp_path_factory):
    """The graph with both adapters loaded, and their arrays."""
    adapters = [read_adapter(folder(name), name) for name in NAMES]
    path = tmp_path_factory.mktemp("graph") / "model.onnx"
    lora = projections_of(adapters)
    convert(MODELS / "tiny-chat", "text-generation", path, request.param, lora)
    stacks = AdapterStacks(OnnxBackend(path, OnnxRuntime(), 1).inputs)
    for adapter in adapters:
        stacks.load(adapter)
    return DecoderGraph(path), stacks


def answers(served, prompts, names, limit):
    """What follows each prompt with that adapter, all of them in one batch."""
    model, stacks = served
    model.forget()
    ids = np.array([stacks.id_of(name) for name in names])
    model.more = stacks.feeds() | {"adapter_ids": ids}
    longest, lengths = max(map(len, prompts)), [len(prompt) for prompt in prompts]
    new = [prompt + [0] * (longest - len(prompt)) for prompt in prompts]
    last = [row * longest + length - 1 for row, length in enumerate(lengths)]
    columns = []
    for _ in range(limit):
        columns.append(model.run(new, lengths, last).argmax(-1))
        new, last = columns[-1][:, None], range(len(prompts))
        lengths = [length + 1 for length in lengths]
    rows = np.stack(columns, -1).tolist()
    return [row[: row.index(END)] if END in row else row for row in rows]


@pytest.mark.parametrize("name", NAMES)
def test_an_adapter_alone(served, name):
    for case in cases(name):
        limit = len(case["greedy_ids"]) + 1
        got = answers(served, [case["prompt_ids"]], [name], limit)
        assert got == [case["greedy_ids"]]


@pytest.mark.parametrize("name", NAMES)
def test_the_base_beside_loaded_adapters(served, name):
    for case in cases(name):
        limit = len(case["base_greedy_ids"]) + 1
        got = answers(served, [case["prompt_ids"]], [None], limit)
        assert got == [case["base_greedy_ids"]]


def test_both_adapters_and_the_base_in_one_batch(served):
    prompts, names, expected = [], [], []
    for name in NAMES:
        for case in cases(name):
            prompts += [case["prompt_ids"]] * 2
            names += [name, None]
            expected += [case["greedy_ids"], case["base_greedy_ids"]]
    order = np.random.default_rng(8).permutation(len(prompts))
    prompts, names, expected = ([of[i] for i in order] for of in (prompts, names, expected))
    assert answers(served, prompts, names, 48) == expected


def test_an_adapter_that_is_unloaded_leaves_the_other_as_it_was(tmp_path):
    adapters = [read_adapter(folder(name), name) for name in NAMES]
    lora = projections_of(adapters)
    convert(MODELS / "tiny-chat", "text-generation", tmp_path / "model.onnx", lora=lora)
    stacks = AdapterStacks(OnnxBackend(tmp_path / "model.onnx", OnnxRuntime(), 1).inputs)
    served = DecoderGraph(tmp_path / "model.onnx"), stacks
    case = cases("terse")[0]
    for adapter in adapters:
        stacks.load(adapter)
    stacks.unload("pirate")
    assert answers(served, [case["prompt_ids"]], ["terse"], 48) == [case["greedy_ids"]]
    stacks.unload("terse")
    stacks.load(adapters[0])
    case = cases("pirate")[0]
    got = answers(served, [case["prompt_ids"]] * 2, ["pirate", None], 48)
    assert got == [case["greedy_ids"], case["base_greedy_ids"]]
