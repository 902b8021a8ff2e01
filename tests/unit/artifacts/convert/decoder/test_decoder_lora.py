"""Adapters as inputs of the graph: every sequence is that of its own merged weights."""

import sys

import numpy as np
import onnx
import pytest
from decoder_reference import Reference
from decoders import LAYERS, WORDS, with_whole_inputs
from peft_adapters import merged, random_changes
from quantized_decoders import rounded_weights

from shoal.errors import ModelUnsupported
from shoal_serving.artifacts.convert import Precision, convert
from shoal_serving.artifacts.convert.__main__ import main

SPLIT = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")
FUSED = ("qkv_proj", "o_proj", "gate_up_proj", "down_proj")
KINDS = {
    "Llama": ("Llama", SPLIT, {}),
    "Llama's queries and values": ("Llama", ("q_proj", "v_proj"), {"tie_word_embeddings": True}),
    "Llama's last projection": ("Llama", ("down_proj",), {}),
    "Llama with biases": ("Llama", SPLIT, {"attention_bias": True, "mlp_bias": True}),
    "Llama with a wide head": ("Llama", SPLIT, {"head_dim": 32}),
    "Mistral": ("Mistral", SPLIT, {"sliding_window": 5}),
    "Qwen2": ("Qwen2", SPLIT, {}),
    "Qwen3": ("Qwen3", SPLIT, {"head_dim": 32}),
    "Phi3": ("Phi3", FUSED, {"sliding_window": 5}),
}
RANKS, SCALE, IDS = {7: 4, 3: 2}, 1.5, (0, 7, 3)


def changes_of(reference, projections):
    """Two adapters of different rank, by id."""
    return {
        number: random_changes(reference.weights, projections, rank, seed=number)
        for number, rank in RANKS.items()
    }


def inputs(changes, dtype=np.float32):
    """The graph's inputs for these adapters: all their rows, one adapter after the other."""
    rows = {"lora.adapters": np.repeat(list(RANKS), list(RANKS.values()))}
    for module in next(iter(changes.values())):
        _, _, layer, _, projection = module.split(".")
        pairs = [change[module] for change in changes.values()]
        name = f"lora.{layer}.{projection}"
        rows[f"{name}.a"] = np.concatenate([a for a, _ in pairs]).astype(dtype)
        rows[f"{name}.b"] = np.concatenate([SCALE * b.T for _, b in pairs]).astype(dtype)
    return rows


def references(config, weights, changes):
    """The model that each of IDS means."""
    return [Reference(config, merged(weights, changes.get(number, {}), SCALE)) for number in IDS]


@pytest.fixture(params=KINDS)
def kind(request, checkpoint, graph):
    """A graph with two adapters, and the models of IDS."""
    architecture, projections, changed = KINDS[request.param]
    folder, reference = checkpoint(architecture, **changed)
    changes = changes_of(reference, projections)
    model = graph(folder, lora=projections)
    model.more = inputs(changes) | {"adapter_ids": np.array(IDS)}
    return model, references(reference.config, reference.weights, changes)


def close(got, expected, tolerance=1e-4):
    np.testing.assert_allclose(got, expected, rtol=tolerance, atol=tolerance)


def test_a_mixed_batch_of_ragged_prompts_and_then_single_tokens(kind, tokens):
    model, meant = kind
    rows, lengths = tokens(11, 11, 11), [3, 11, 8]
    last = [row * 11 + length - 1 for row, length in enumerate(lengths)]
    prompts = [ids[:length] for ids, length in zip(rows, lengths, strict=True)]
    logits = model.run(rows, lengths, last)
    for _ in range(4):
        each = zip(meant, prompts, strict=True)
        close(logits, [reference.logits(prompt)[-1] for reference, prompt in each])
        new = logits.argmax(-1)
        prompts = [[*prompt, int(token)] for prompt, token in zip(prompts, new, strict=True)]
        logits = model.run(new[:, None], [len(prompt) for prompt in prompts], range(3))


def test_logits_of_any_tokens_are_those_of_their_sequence_s_adapter(kind, tokens):
    model, meant = kind
    rows, wanted = tokens(5, 5, 5), [14, 0, 6, 6, 9, 3]
    every = np.concatenate([r.logits(ids) for r, ids in zip(meant, rows, strict=True)])
    close(model.run(rows, [5, 5, 5], wanted), every[wanted])


def test_an_idle_row_does_not_disturb_the_others(kind, tokens):
    model, meant = kind
    rows = tokens(5, 5, 5)
    model.run(rows, [5, 5, 5], [])
    more = [[*ids, token] for ids, token in zip(rows, (1, 2, 3), strict=True)]
    got = model.run([[1], [2], [3]], [6, 5, 6], [0, 2])
    close(got, [meant[0].logits(more[0])[-1], meant[2].logits(more[2])[-1]])


@pytest.mark.parametrize("loaded", [True, False])
@pytest.mark.parametrize("precision", Precision)
def test_without_an_adapter_it_is_the_base(checkpoint, graph, tokens, precision, loaded):
    folder, reference = checkpoint()
    plain, rows = graph(folder, precision), tokens(6, 6)
    expected = plain.run(rows, [6, 6], range(12))
    model = graph(folder, precision, SPLIT)
    dtype = np.float16 if precision == Precision.FP16 else np.float32
    stacks = inputs(changes_of(reference, SPLIT), dtype)
    count = None if loaded else 0
    model.more = {name: values[:count] for name, values in stacks.items()}
    model.more |= {"adapter_ids": np.array([0, 0])}
    np.testing.assert_allclose(model.run(rows, [6, 6], range(12)), expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize(("precision", "bits"), [(Precision.INT8, 8), (Precision.INT4, 4)])
@pytest.mark.parametrize(("architecture", "projections"), [("Qwen2", SPLIT), ("Phi3", FUSED)])
def test_rounded_bases_are_adapted_as_they_are(
    checkpoint, tmp_path, tokens, architecture, projections, precision, bits
):
    folder, reference = checkpoint(architecture)
    convert(folder, "text-generation", tmp_path / "model.onnx", precision, projections)
    model, rows = with_whole_inputs(tmp_path / "model.onnx"), tokens(5, 5, 5)
    changes = changes_of(reference, projections)
    model.more = inputs(changes) | {"adapter_ids": np.array(IDS)}
    base = rounded_weights({n: w.astype(np.float32) for n, w in reference.weights.items()}, bits)
    meant = references(reference.config, base, changes)
    every = np.concatenate([r.logits(ids) for r, ids in zip(meant, rows, strict=True)])
    close(model.run(rows, [5, 5, 5], range(15)), every)


def test_fp16_is_near(checkpoint, graph, tokens):
    folder, reference = checkpoint()
    changes = changes_of(reference, SPLIT)
    model, rows = graph(folder, Precision.FP16, SPLIT), tokens(5, 5, 5)
    model.more = inputs(changes, np.float16) | {"adapter_ids": np.array(IDS)}
    meant = references(reference.config, reference.weights, changes)
    every = np.concatenate([r.logits(ids) for r, ids in zip(meant, rows, strict=True)])
    got = model.run(rows, [5, 5, 5], range(15))
    assert np.abs(got - every).max() < 0.03 * np.abs(every).max()


def test_an_adapter_that_overflows_hurts_only_its_own_sequences(checkpoint, graph, tokens):
    folder, reference = checkpoint()
    changes = changes_of(reference, SPLIT)
    changes[7] = {name: (a * np.float32(1e38), b) for name, (a, b) in changes[7].items()}
    model, rows = graph(folder, lora=SPLIT), tokens(5, 5, 5)
    model.more = inputs(changes) | {"adapter_ids": np.array(IDS)}
    got = model.run(rows, [5, 5, 5], [4, 9, 14])
    assert not np.isfinite(got[1]).any()
    meant = references(reference.config, reference.weights, changes)
    close(got[[0, 2]], [meant[0].logits(rows[0])[-1], meant[2].logits(rows[2])[-1]])


@pytest.mark.parametrize("precision", Precision)
def test_the_inputs_of_adapters_are_those_of_the_contract(checkpoint, graph, precision):
    folder, _ = checkpoint()
    plain = {spec.name for spec in graph(folder, precision).session.get_inputs()}
    session = graph(folder, precision, ("k_proj", "down_proj")).session
    kind = "tensor(float16)" if precision == Precision.FP16 else "tensor(float)"
    found = {spec.name: (spec.type, spec.shape) for spec in session.get_inputs()}
    sizes = {"k_proj.a": 64, "k_proj.b": 32, "down_proj.a": 96, "down_proj.b": 64}
    assert {name: found[name] for name in found.keys() - plain} == {
        "adapter_ids": ("tensor(int64)", ["batch"]),
        "lora.adapters": ("tensor(int64)", ["lora_rows"]),
    } | {
        f"lora.{layer}.{part}": (kind, ["lora_rows", size])
        for layer in range(LAYERS)
        for part, size in sizes.items()
    }
    assert session.get_outputs()[-1].shape[1] == WORDS


@pytest.mark.parametrize(
    ("architecture", "name"),
    [("Llama", "qkv_proj"), ("Llama", "lm_head"), ("Phi3", "q_proj")],
)
def test_a_projection_that_the_base_has_not_is_refused(checkpoint, graph, architecture, name):
    folder, _ = checkpoint(architecture)
    with pytest.raises(ModelUnsupported, match=f"no projection {name} .* it has .*o_proj"):
        graph(folder, lora=("o_proj", name))


def test_encoders_take_no_adapters(checkpoint, tmp_path):
    folder, _ = checkpoint()
    with pytest.raises(ModelUnsupported, match="tensor takes no adapters; q_proj"):
        convert(folder, "tensor", tmp_path / "model.onnx", lora=("q_proj",))


@pytest.mark.parametrize(
    ("arguments", "names"), [([], set()), (["--lora", "q_proj,o_proj"], {"q_proj", "o_proj"})]
)
def test_the_command_takes_projections(checkpoint, tmp_path, monkeypatch, arguments, names):
    folder, _ = checkpoint()
    out = tmp_path / "model.onnx"
    command = ["convert", str(folder), "text-generation", str(out), "int8", *arguments]
    monkeypatch.setattr(sys, "argv", command)
    assert main() == 0
    inputs = [value.name.split(".") for value in onnx.load(out).graph.input]
    assert {parts[2] for parts in inputs if parts[0] == "lora" and len(parts) == 4} == names
