"""Graphs for a GPU: they compute in float16, whose kernels the CPU has too."""

from functools import partial

import numpy as np
import onnx
import pytest
from decoder_reference import Reference
from decoders import DecoderGraph, decoder, random_weights, write_checkpoint
from quantized_decoders import gptq, quantized, rounded_weights

from shoal.errors import ModelUnsupported
from shoal_serving.artifacts.convert import Device, Precision, convert

BITS = {Precision.INT8: 8, Precision.INT4: 4}
convert_for_gpu = partial(convert, task="text-generation", device=Device.CUDA)


@pytest.fixture
def graph(tmp_path):
    def make(folder, precision=None, lora=()):
        path = tmp_path / "model.onnx"
        convert_for_gpu(folder, out=path, precision=precision, lora=lora)
        return DecoderGraph(path)

    return make


def near(got, expected):
    assert got.dtype == np.float32
    assert np.abs(got - expected).max() < 0.02 * np.abs(expected).max()


def types(path):
    """Those of the float tensors that are read, by the operator that reads them."""
    model = onnx.load(path).graph
    kinds = {tensor.name: tensor.data_type for tensor in model.initializer}
    for node in model.node:
        for name in node.input:
            if kinds.get(name) in (onnx.TensorProto.FLOAT, onnx.TensorProto.FLOAT16):
                yield node.op_type, kinds[name]


@pytest.mark.parametrize("precision", [None, Precision.FP16])
@pytest.mark.parametrize("architecture", ["Llama", "Mistral", "Qwen2", "Qwen3", "Phi3"])
def test_every_family_computes_in_float16(checkpoint, graph, tokens, architecture, precision):
    folder, reference = checkpoint(architecture)
    (prompt,) = tokens(13)
    model = graph(folder, precision)
    expected = reference.logits(prompt)
    for start, end in ((0, 4), (4, 5), (5, 13)):
        near(model.run([prompt[start:end]], [end], range(end - start)), expected[start:end])
    assert {past.dtype for past in model.past.values()} == {np.dtype(np.float16)}


@pytest.mark.parametrize("precision", BITS)
@pytest.mark.parametrize(
    ("architecture", "changes"),
    [
        ("Llama", {"tie_word_embeddings": True}),
        ("Llama", {"hidden_size": 80, "head_dim": 16, "intermediate_size": 72}),
        ("Qwen2", {}),
    ],
)
def test_rounded_weights_have_scales_of_float16(
    checkpoint, graph, tmp_path, tokens, architecture, changes, precision
):
    folder, reference = checkpoint(architecture, **changes)
    (prompt,) = tokens(9)
    got = graph(folder, precision).run([prompt], [9], range(9))
    stored = {name: w.astype(np.float32) for name, w in reference.weights.items()}
    meant = rounded_weights(stored, BITS[precision], np.float16)
    near(got, Reference(reference.config, meant).logits(prompt))
    assert {kind for _, kind in types(tmp_path / "model.onnx")} == {onnx.TensorProto.FLOAT16}


def test_weights_that_are_packed_already_have_scales_of_float16(tmp_path, graph, tokens):
    section = {"bits": 4, "group_size": 32, "quant_method": "gptq", "desc_act": False}
    config = decoder(hidden_size=128, intermediate_size=256, quantization_config=section)
    stored, meant = quantized(random_weights(config), 32, gptq)
    write_checkpoint(tmp_path / "checkpoint", config, stored, "F16")
    (prompt,) = tokens(9)
    got = graph(tmp_path / "checkpoint").run([prompt], [9], range(9))
    near(got, Reference(config, meant).logits(prompt))


def test_several_sequences_step_together_whatever_their_lengths(checkpoint, graph, tokens):
    folder, reference = checkpoint()
    prompts, model, pasts = tokens(3, 11, 8), graph(folder), []
    for prompt in prompts:
        model.forget()
        model.run([prompt], [len(prompt)], [0])
        pasts.append(model.past)
    model.past = {
        name: np.concatenate(
            [np.pad(p[name], ((0, 0), (0, 0), (0, 20 - p[name].shape[2]), (0, 0))) for p in pasts]
        )
        for name in pasts[0]
    }
    new = tokens(14)[0][-3:]
    got = model.run([[token] for token in new], [4, 12, 9], range(3))
    expected = [reference.logits([*p, t])[-1] for p, t in zip(prompts, new, strict=True)]
    near(got, np.stack(expected))


def test_adapters_are_inputs_of_float16(checkpoint, graph):
    folder, _ = checkpoint()
    model = graph(folder, lora=["q_proj"])
    kinds = {s.name: s.type for s in model.session.get_inputs() if s.name.startswith("lora.0.")}
    assert kinds == {"lora.0.q_proj.a": "tensor(float16)", "lora.0.q_proj.b": "tensor(float16)"}


def test_fp32_is_refused_with_what_there_is(checkpoint, tmp_path):
    with pytest.raises(ModelUnsupported, match="a GPU computes in fp16 only") as refused:
        convert_for_gpu(checkpoint()[0], out=tmp_path / "model.onnx", precision=Precision.FP32)
    assert "auto, fp16, int8 or int4" in refused.value.action
