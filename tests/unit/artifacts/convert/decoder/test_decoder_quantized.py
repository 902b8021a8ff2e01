"""GPTQ and AWQ checkpoints: their 4 bits are moved and not changed."""

from functools import partial

import numpy as np
import onnx
import pytest
from decoder_reference import Reference
from decoders import decoder, random_weights, with_whole_inputs, write_checkpoint
from peft_adapters import merged, random_changes
from quantized_decoders import awq, gptq, quantized

from shoal.errors import ModelUnsupported
from shoal_serving.artifacts.convert import Precision, convert

METHODS = {
    "gptq": (gptq, {"quant_method": "gptq", "desc_act": False}),
    "gptq_v2": (
        partial(gptq, less=0),
        {"quant_method": "gptq", "checkpoint_format": "gptq_v2", "desc_act": False},
    ),
    "awq": (awq, {"quant_method": "awq", "version": "gemm", "zero_point": True}),
}


@pytest.fixture
def write(tmp_path):
    """Write a quantized checkpoint; its folder, configuration and what its weights mean."""

    def make(method="gptq", group=32, architecture="Llama", packed=lambda w: w, **changes):
        pack, section = METHODS[method]
        section = {"bits": 4, "group_size": group} | section | changes
        config = decoder(
            architecture, hidden_size=128, intermediate_size=256, quantization_config=section
        )
        stored, meant = quantized(random_weights(config), group, pack)
        write_checkpoint(tmp_path / "checkpoint", config, packed(stored), "F16")
        return tmp_path / "checkpoint", config, meant

    return make


def dequantized(path):
    """The matrix of every MatMulNBits in a graph by its checkpoint's name, one number at a time."""
    model = onnx.load(path).graph
    values = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in model.initializer}
    for node in model.node:
        if node.op_type == "MatMulNBits":
            packed, scales, zeros = (values[name] for name in node.input[1:4])
            integers = np.stack([packed & 15, packed >> 4], -1).reshape(*packed.shape[:2], -1)
            zeros = np.stack([zeros & 15, zeros >> 4], -1).reshape(len(zeros), -1)
            zeros = zeros[:, : packed.shape[1], None].astype(np.float32)
            matrix = (integers.astype(np.float32) - zeros) * scales[..., None]
            yield node.input[1].replace("qweight", "weight"), matrix.reshape(len(packed), -1)


@pytest.mark.parametrize("group", [32, 64, 128])
@pytest.mark.parametrize("method", METHODS)
def test_every_number_is_exactly_what_the_method_means(write, tmp_path, method, group):
    folder, _, meant = write(method, group)
    convert(folder, "text-generation", tmp_path / "model.onnx")
    found = dict(dequantized(tmp_path / "model.onnx"))
    assert set(found) == {name for name in meant if name.endswith("_proj.weight")}
    for name, matrix in found.items():
        np.testing.assert_array_equal(matrix, meant[name], err_msg=name)


@pytest.mark.parametrize("architecture", ["Llama", "Qwen2", "Phi3"])
@pytest.mark.parametrize("method", METHODS)
def test_the_graph_computes_with_them(write, tmp_path, tokens, method, architecture):
    folder, config, meant = write(method, 32, architecture)
    convert(folder, "text-generation", tmp_path / "model.onnx")
    (prompt,) = tokens(9)
    got = with_whole_inputs(tmp_path / "model.onnx").run([prompt], [9], range(9))
    expected = Reference(config, meant).logits(prompt)
    np.testing.assert_allclose(got, expected, rtol=1e-4, atol=1e-4)


def test_an_adapter_is_added_to_what_is_packed(write, tmp_path, tokens):
    folder, config, meant = write()
    convert(folder, "text-generation", tmp_path / "model.onnx", lora=["down_proj"])
    changes, rows = random_changes(meant, ["down_proj"]), tokens(6, 6)
    model = with_whole_inputs(tmp_path / "model.onnx")
    model.more = {"adapter_ids": np.array([5, 0]), "lora.adapters": np.full(4, 5)}
    for module, (a, b) in changes.items():
        name = f"lora.{module.split('.')[2]}.down_proj"
        model.more |= {f"{name}.a": a, f"{name}.b": np.ascontiguousarray(b.T)}
    expected = [
        Reference(config, weights).logits(ids)
        for weights, ids in zip((merged(meant, changes, 1), meant), rows, strict=True)
    ]
    got = model.run(rows, [6, 6], range(12))
    np.testing.assert_allclose(got, np.concatenate(expected), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("method", METHODS)
def test_keys_and_values_may_be_kept_as_int8(write, graph, tokens, method):
    folder, _, _ = write(method)
    (prompt,) = tokens(20)
    whole = graph(folder).run([prompt], [20], range(20))
    rounded = graph(folder, int8_cache=True).run([prompt], [20], range(20))
    assert 0 < np.abs(rounded - whole).mean() < 0.1 * whole.std()


def test_a_layer_that_was_spared_stays_as_it_is(write, tmp_path):
    spared = "model.layers.0.mlp.down_proj"

    def restore(weights):
        kept = {name: w for name, w in weights.items() if not name.startswith(spared)}
        return kept | {f"{spared}.weight": np.ones((128, 256), np.float32)}

    folder, _, _ = write("awq", packed=restore, modules_to_not_convert=["down_proj"])
    convert(folder, "text-generation", tmp_path / "model.onnx")
    names = {tensor.name for tensor in onnx.load(tmp_path / "model.onnx").graph.initializer}
    assert f"{spared}.weight" in names
    assert f"{spared}.qweight" not in names


def test_groups_out_of_order_are_refused(write, graph):
    def shuffle(weights):
        return weights | {n: w[::-1] for n, w in weights.items() if n.endswith("g_idx")}

    folder, _, _ = write(packed=shuffle, desc_act=True)
    with pytest.raises(ModelUnsupported, match="desc_act"):
        graph(folder)


@pytest.mark.parametrize(
    ("method", "changes", "named"),
    [
        ("gptq", {"bits": 8}, "quantization_config.bits 8; .* supports 4"),
        ("gptq", {"group_size": -1}, "quantization_config.group_size -1"),
        ("gptq", {"checkpoint_format": "marlin"}, 'checkpoint_format "marlin"'),
        ("gptq", {"dynamic": {"-:lm_head": {}}}, "quantization_config.dynamic"),
        ("awq", {"version": "gemv"}, 'version "gemv"; .* supports gemm'),
        ("awq", {"quant_method": "bitsandbytes"}, 'quant_method "bitsandbytes"; .* gptq and awq'),
    ],
)
def test_another_kind_of_quantization_is_refused_by_name(write, graph, method, changes, named):
    folder, _, _ = write(method, **changes)
    with pytest.raises(ModelUnsupported, match=named):
        graph(folder)


@pytest.mark.parametrize("precision", [Precision.FP32, Precision.FP16, Precision.INT8])
def test_another_precision_than_its_own_is_refused(write, graph, precision):
    folder, _, _ = write()
    with pytest.raises(ModelUnsupported, match=f"quantized to int4; {precision} was asked for"):
        graph(folder, precision)
