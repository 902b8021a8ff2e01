"""The graph as an engine sees it: names, types, shapes, and what may be done with them."""

import numpy as np
import onnx
import pytest
from decoders import KV_HEADS, LAYERS, WORDS

from shoal_serving.artifacts.convert import Precision, convert


def specs(values):
    return {value.name: (value.type, value.shape) for value in values}


@pytest.mark.parametrize("precision", Precision)
def test_the_inputs_and_outputs_are_those_of_the_contract(checkpoint, graph, precision):
    session = graph(checkpoint()[0], precision).session
    kind = "tensor(float16)" if precision == Precision.FP16 else "tensor(float)"
    parts = [f"{number}.{part}" for number in range(LAYERS) for part in ("key", "value")]
    past = {f"past_key_values.{part}": (kind, ["batch", KV_HEADS, "past", 16]) for part in parts}
    present = {f"present.{part}": (kind, ["batch", KV_HEADS, "total", 16]) for part in parts}
    assert specs(session.get_inputs()) == past | {
        "input_ids": ("tensor(int64)", ["batch", "sequence"]),
        "seqlens_k": ("tensor(int32)", ["batch"]),
        "total_sequence_length": ("tensor(int32)", []),
        "query_seqlens": ("tensor(int32)", ["batch"]),
        "logits_indices": ("tensor(int64)", ["logits"]),
    }
    logits = {"logits": ("tensor(float)", ["logits", WORDS])}
    assert specs(session.get_outputs()) == present | logits


def test_logits_of_any_tokens_in_any_order(checkpoint, graph, tokens):
    model, rows = graph(checkpoint()[0]), tokens(5, 5)
    every = model.run(rows, [5, 5], range(10))
    for wanted in ([9, 0, 0, 4], [3], []):
        model.forget()
        got = model.run(rows, [5, 5], wanted)
        assert got.shape == (len(wanted), WORDS)
        np.testing.assert_allclose(got, every[wanted], rtol=0, atol=1e-5)


def test_padding_ids_change_nothing(checkpoint, graph, tokens):
    model, (long, short) = graph(checkpoint()[0]), tokens(7, 3)
    answers = []
    for padding in (0, 60):
        model.forget()
        answers.append(model.run([long, short + [padding] * 4], [7, 3], [6, 9]))
    np.testing.assert_array_equal(*answers)


@pytest.mark.parametrize("precision", [Precision.FP32, Precision.FP16])
@pytest.mark.parametrize("architecture", ["Llama", "Mistral", "Qwen3"])
def test_past_and_present_may_be_the_same_memory(
    checkpoint, graph, tokens, architecture, precision
):
    """Two slots with room for 24 tokens: filled one by one, then stepped together."""
    model, prompts = graph(checkpoint(architecture, sliding_window=6)[0], precision), tokens(9, 5)
    apart = [model.greedy(prompt, 6) for prompt in prompts]
    dtype = np.float16 if precision == Precision.FP16 else np.float32
    slots = {
        spec.name: np.zeros((2, KV_HEADS, 24, 16), dtype)
        for spec in model.session.get_inputs()
        if spec.name.startswith("past_key_values")
    }
    together = [
        [in_place(model.session, slots, slice(row, row + 1), [prompt], [len(prompt)])[-1]]
        for row, prompt in enumerate(prompts)
    ]
    for step in range(5):
        new = [[tokens[-1]] for tokens in together]
        lengths = [len(prompt) + step + 1 for prompt in prompts]
        for row, token in enumerate(in_place(model.session, slots, slice(0, 2), new, lengths)):
            together[row].append(token)
    assert together == apart


def in_place(session, slots, rows, ids, lengths):
    """The likeliest token after each of `ids`, over and into the memory of these slots."""
    ids, binding = np.array(ids, np.int64), session.io_binding()
    feeds = {
        "input_ids": ids,
        "seqlens_k": np.array(lengths, np.int32) - 1,
        "total_sequence_length": np.array(max(lengths), np.int32),
        "query_seqlens": np.full(len(ids), ids.shape[1], np.int32),
        "logits_indices": np.arange(ids.size),
    }
    for name, values in feeds.items():
        binding.bind_cpu_input(name, values)
    for name, slot in slots.items():
        part = slot[rows]
        where = (part.dtype, part.shape, part.ctypes.data)
        binding.bind_input(name, "cpu", 0, *where)
        binding.bind_output(name.replace("past_key_values", "present"), "cpu", 0, *where)
    logits = np.zeros((ids.size, WORDS), np.float32)
    binding.bind_output("logits", "cpu", 0, np.float32, logits.shape, logits.ctypes.data)
    session.run_with_iobinding(binding)
    return logits.argmax(-1).tolist()


@pytest.mark.parametrize(
    ("precision", "size"),
    [
        (Precision.FP32, 4 * WORDS * 64),
        (Precision.FP16, 2 * WORDS * 64),
        (Precision.INT8, WORDS * 64),
        (Precision.INT4, WORDS * 64),
    ],
)
def test_tied_embeddings_are_kept_once(checkpoint, tmp_path, precision, size):
    folder, _ = checkpoint(tie_word_embeddings=True)
    convert(folder, "text-generation", tmp_path / "model.onnx", precision)
    tensors = onnx.load(tmp_path / "model.onnx").graph.initializer
    words = [tensor for tensor in tensors if WORDS in tensor.dims and "scales" not in tensor.name]
    assert [len(tensor.raw_data) for tensor in words] == [size]


def test_opsets_are_pinned(checkpoint, tmp_path):
    convert(checkpoint()[0], "text-generation", tmp_path / "model.onnx")
    model = onnx.load(tmp_path / "model.onnx")
    assert {opset.domain: opset.version for opset in model.opset_import} == {
        "": 20,
        "com.microsoft": 1,
    }
