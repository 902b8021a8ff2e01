"""The ways in which a decoder may be stored, and what its conversion costs."""

import json
import subprocess
import sys

import numpy as np
import pytest
from decoder_reference import Reference
from decoders import decoder, random_weights, write_checkpoint, write_safetensors

from shoal_serving.artifacts.convert import Precision


@pytest.mark.parametrize("dtype", ["F16", "BF16"])
@pytest.mark.parametrize("architecture", ["Llama", "Phi3"])
def test_half_precision_weights_are_widened(checkpoint, graph, tokens, architecture, dtype):
    def shorten(weights):  # to 8 bits, which both can hold
        parts = {name: np.frexp(values) for name, values in weights.items()}
        return {
            name: np.ldexp(np.round(mantissa * 256) / 256, exponent).astype(np.float32)
            for name, (mantissa, exponent) in parts.items()
        }

    folder, reference = checkpoint(architecture, dtype, weights=shorten)
    (prompt,) = tokens(9)
    got = graph(folder).run([prompt], [9], range(9))
    np.testing.assert_allclose(got, reference.logits(prompt), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("dtype", ["F32", "BF16"])
def test_fp16_is_near(checkpoint, graph, tokens, dtype):
    folder, reference = checkpoint(dtype=dtype)
    (prompt,) = tokens(9)
    got = graph(folder, Precision.FP16).run([prompt], [9], range(9))
    expected = reference.logits(prompt)
    assert np.abs(got - expected).max() < 0.03 * np.abs(expected).max()


def test_shards_are_read_as_one(checkpoint, graph, tokens):
    folder, reference = checkpoint()
    weights = {name: w.astype(np.float32) for name, w in reference.weights.items()}
    shards = {name: f"model-{len(name) % 3}.safetensors" for name in weights}
    for shard in set(shards.values()):
        part = {name: weights[name] for name in shards if shards[name] == shard}
        write_safetensors(folder / shard, part)
    index = {"metadata": {}, "weight_map": shards}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    (folder / "model.safetensors").unlink()
    (prompt,) = tokens(9)
    got = graph(folder).run([prompt], [9], range(9))
    np.testing.assert_allclose(got, reference.logits(prompt), rtol=1e-4, atol=1e-4)


PEAK = """
import sys
from shoal_serving.artifacts.convert.__main__ import main
status = main()
print(next(line for line in open("/proc/self/status") if line.startswith("VmHWM")).split()[1])
sys.exit(status)
"""


@pytest.fixture(scope="module")
def large(tmp_path_factory):
    """A checkpoint of about 200 MB, whose layers are all the same: random numbers take time."""
    folder = tmp_path_factory.mktemp("large")
    config = decoder(
        vocab_size=32000,
        hidden_size=640,
        num_hidden_layers=18,
        num_attention_heads=10,
        num_key_value_heads=5,
        intermediate_size=1792,
        tie_word_embeddings=True,
    )
    weights = random_weights(config | {"num_hidden_layers": 1})
    layers = {
        name.replace("layers.0.", f"layers.{number}."): values
        for number in range(config["num_hidden_layers"])
        for name, values in weights.items()
    }
    write_checkpoint(folder, config, layers, "BF16")
    return folder


@pytest.mark.skipif(sys.platform != "linux", reason="asks Linux for a process's peak memory")
@pytest.mark.parametrize("precision", Precision)
def test_a_conversion_never_holds_the_checkpoint(large, precision):
    """Peak memory of the whole process, Python and libraries among it."""
    out = large / "model.onnx"
    command = [sys.executable, "-c", PEAK, large, "text-generation", out, precision]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    size = (large / "model.safetensors").stat().st_size
    assert 190e6 < size < 230e6
    assert int(done.stdout) * 1024 < 1.0 * size
    assert (large / "model.onnx.data").is_file()


def test_large_weights_beside_the_graph_are_the_same(checkpoint, graph, tokens):
    config = decoder(vocab_size=40000, hidden_size=128, intermediate_size=64)
    weights = random_weights(config)
    folder, _ = checkpoint()
    write_checkpoint(folder, config, weights)
    (prompt,) = tokens(5)
    got = graph(folder).run([prompt], [5], [4])
    expected = Reference(config, weights).logits(prompt)[-1:]
    np.testing.assert_allclose(got, expected, rtol=1e-4, atol=1e-4)
    assert (folder.parent / "model.onnx.data").stat().st_size > 2 * 4 * 40000 * 128
