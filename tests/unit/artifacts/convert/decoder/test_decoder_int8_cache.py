"""Keys and values of 8 bits: exactly the ones that rounding gives, and not far from the others."""

from pathlib import Path

import numpy as np
import onnx
import pytest
from decoder_reference import RoundedReference
from decoders import KINDS, KV_HEADS, LAYERS
from onnx import numpy_helper

from shoal.errors import ModelUnsupported
from shoal_serving.artifacts.convert import Precision, convert
from shoal_serving.artifacts.convert.__main__ import main

MODELS = Path(__file__).parents[5] / "manifests" / "samples" / "models"


@pytest.fixture
def converted(graph, tmp_path):
    """Convert a folder: the graph, and the scales of its cache by the names of the past."""

    def make(folder, precision=None, lora=()):
        opened = graph(folder, precision, lora, int8_cache=True)
        return opened, scales_in(tmp_path / "model.onnx")

    return make


def scales_in(path):
    tensors = onnx.load(path, load_external_data=False).graph.initializer
    named = {tensor.name: tensor for tensor in tensors if tensor.name.startswith("past")}
    return {name.removesuffix(".scale"): numpy_helper.to_array(t) for name, t in named.items()}


def logprobs(logits):
    shifted = logits - logits.max(-1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(-1, keepdims=True))


def distance(got, expected):
    """The mean difference of log-probabilities."""
    return np.abs(logprobs(got) - logprobs(expected)).mean()


@pytest.mark.parametrize("name", KINDS)
def test_the_graph_computes_with_the_rounded_keys_and_values(checkpoint, converted, tokens, name):
    architecture, changes = KINDS[name]
    folder, plain = checkpoint(architecture, **changes)
    model, scales = converted(folder)
    meant = RoundedReference(plain.config, plain.weights, scales)
    prompts, lengths = tokens(3, 11, 8), [3, 11, 8]
    padded = [prompt + [0] * (11 - len(prompt)) for prompt in prompts]
    last = [row * 11 + length - 1 for row, length in enumerate(lengths)]
    logits = model.run(padded, lengths, last)
    for _ in range(4):
        expected = np.array([meant.logits(prompt)[-1] for prompt in prompts])
        # A number at the edge of a step falls on either side.
        assert distance(logits, expected) < 0.002
        new = logits.argmax(-1)
        prompts = [[*prompt, int(token)] for prompt, token in zip(prompts, new, strict=True)]
        logits = model.run(new[:, None], [len(prompt) for prompt in prompts], range(3))


@pytest.mark.parametrize("name", KINDS)
def test_rounding_changes_little(checkpoint, converted, tokens, name):
    """Random weights make much of small differences; those of trained ones are much smaller."""
    architecture, changes = KINDS[name]
    folder, plain = checkpoint(architecture, **changes)
    (prompt,) = tokens(60)
    expected = plain.logits(prompt)
    got = converted(folder)[0].run([prompt], [60], range(60))
    assert distance(got, expected) < 0.1 * expected.std()


@pytest.mark.parametrize("precision", Precision)
def test_it_goes_with_every_precision(checkpoint, converted, graph, tokens, precision):
    folder, _ = checkpoint()
    (prompt,) = tokens(60)
    expected = graph(folder, precision).run([prompt], [60], range(60))
    got = converted(folder, precision)[0].run([prompt], [60], range(60))
    assert distance(got, expected) < 0.1 * expected.std()


def test_a_number_that_is_always_large_leaves_the_others_their_precision(
    checkpoint, converted, tokens
):
    """As some of Qwen2's keys are, by their biases: one step for all numbers would not do."""

    def biased(weights):
        bias = np.zeros_like(weights["model.layers.1.self_attn.k_proj.bias"])
        bias[7] = 60  # turns so slowly that it is nearly the same for all tokens
        return weights | {"model.layers.1.self_attn.k_proj.bias": bias}

    folder, plain = checkpoint("Qwen2", weights=biased, rope_theta=1e6)
    model, scales = converted(folder)
    (prompt,) = tokens(60)
    expected = plain.logits(prompt)
    got = distance(model.run([prompt], [60], range(60)), expected)
    same = {name: np.full_like(scale, scale.max()) for name, scale in scales.items()}
    for_all = RoundedReference(plain.config, plain.weights, same)
    assert got < 0.1 * expected.std()
    assert distance(for_all.logits(prompt), expected) > 2 * got


def test_the_keys_of_far_positions_fit(checkpoint, converted, tokens):
    """Those that measured the scales were at the first positions."""
    model, _ = converted(checkpoint("Llama", rope_theta=500.0, max_position_embeddings=1024)[0])
    (prompt,) = tokens(900)
    model.run([prompt], [900], [899])
    assert max(np.abs(part.astype(int)).max() for part in model.past.values()) < 127


def test_only_the_cache_changes_its_type(checkpoint, converted):
    """Adapters stay what the graph computes in."""
    session = converted(checkpoint()[0], Precision.FP16, ["q_proj", "k_proj"])[0].session
    nodes = (*session.get_inputs(), *session.get_outputs())
    kept = {node.name: node for node in nodes if node.name.startswith(("past", "present"))}
    assert len(kept) == 4 * LAYERS
    assert {node.type for node in kept.values()} == {"tensor(int8)"}
    assert {tuple(node.shape) for node in session.get_inputs() if node.name in kept} == {
        ("batch", KV_HEADS, "past", 16)
    }
    adapters = {node.type for node in nodes if node.name.startswith("lora.0")}
    assert adapters == {"tensor(float16)"}


def test_the_same_checkpoint_becomes_the_same_graph(checkpoint, converted, tmp_path):
    folder, _ = checkpoint()
    files = []
    for _ in range(2):
        converted(folder)
        files.append((tmp_path / "model.onnx").read_bytes())
    assert files[0] == files[1]


def test_weights_beside_the_graph_are_written_once_and_read(checkpoint, converted, tmp_path):
    folder, _ = checkpoint(vocab_size=40000)
    model, _ = converted(folder)
    assert {path.name for path in tmp_path.iterdir()} == {
        "checkpoint",
        "model.onnx",
        "model.onnx.data",
    }
    assert np.isfinite(model.run([[39999, 7]], [2], [1])).all()


def test_a_layer_of_zeros_is_kept(checkpoint, converted, tokens):
    def blank(weights):
        name = "model.layers.1.self_attn.v_proj.weight"
        return weights | {name: np.zeros_like(weights[name])}

    folder, plain = checkpoint(weights=blank)
    (prompt,) = tokens(20)
    expected = plain.logits(prompt)
    got = converted(folder)[0].run([prompt], [20], range(20))
    assert distance(got, expected) < 0.1 * expected.std()


def test_keys_that_are_not_finite_are_refused(checkpoint, graph, tmp_path):
    def broken(weights):
        name = "model.layers.1.self_attn.k_proj.weight"
        return weights | {name: weights[name] * np.float32(np.inf)}

    folder, _ = checkpoint(weights=broken)
    with pytest.raises(ModelUnsupported, match=r"past_key_values.1.key is not finite"):
        graph(folder, int8_cache=True)
    assert not (tmp_path / "model.onnx").exists()


def test_a_task_without_a_cache_is_refused(tmp_path):
    from_alarms = MODELS / "alarm-triage"
    with pytest.raises(ModelUnsupported, match="text-classification keeps no keys and values"):
        convert(from_alarms, "text-classification", tmp_path / "model.onnx", int8_cache=True)


def test_the_command_takes_an_int8_cache(checkpoint, tmp_path, monkeypatch):
    folder, _ = checkpoint()
    out = tmp_path / "out.onnx"
    words = [str(folder), "text-generation", str(out), "int4", "--lora", "q_proj", "--int8-cache"]
    monkeypatch.setattr("sys.argv", ["convert", *words])
    assert main() == 0
    assert len(scales_in(out)) == 2 * LAYERS
