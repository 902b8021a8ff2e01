"""int8 and int4: exactly the weights that rounding in blocks gives, and a little less by speed."""

import numpy as np
import onnx
import pytest
from decoder_reference import Reference
from decoders import with_whole_inputs
from quantized_decoders import rounded_weights

from shoal_serving.artifacts.convert import Precision, convert

BITS = {Precision.INT8: 8, Precision.INT4: 4}


@pytest.mark.parametrize("tied", [False, True])
@pytest.mark.parametrize("precision", BITS)
@pytest.mark.parametrize(
    ("architecture", "changes"),
    [
        ("Llama", {}),
        ("Llama", {"attention_bias": True, "mlp_bias": True}),
        ("Llama", {"hidden_size": 80, "head_dim": 16, "intermediate_size": 72}),
        ("Qwen2", {}),
        ("Qwen3", {}),
        ("Phi3", {}),
    ],
)
def test_the_graph_computes_with_the_rounded_weights(
    checkpoint, tmp_path, tokens, architecture, changes, precision, tied
):
    folder, reference = checkpoint(architecture, tie_word_embeddings=tied, **changes)
    convert(folder, "text-generation", tmp_path / "model.onnx", precision)
    (prompt,) = tokens(9)
    got = with_whole_inputs(tmp_path / "model.onnx").run([prompt], [9], range(9))
    stored = {name: w.astype(np.float32) for name, w in reference.weights.items()}
    meant = Reference(reference.config, rounded_weights(stored, BITS[precision]))
    np.testing.assert_allclose(got, meant.logits(prompt), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("precision", BITS)
def test_rounding_inputs_too_changes_little(checkpoint, graph, tmp_path, tokens, precision):
    folder, _ = checkpoint()
    (prompt,) = tokens(9)
    got = graph(folder, precision).run([prompt], [9], range(9))
    whole = with_whole_inputs(tmp_path / "model.onnx").run([prompt], [9], range(9))
    assert np.abs(got - whole).mean() < 0.05 * np.abs(whole).mean()


def test_rows_of_zeros_stay_zeros(checkpoint, graph, tokens):
    def blank(weights):
        name = "model.layers.1.mlp.down_proj.weight"
        return weights | {name: np.zeros_like(weights[name])}

    folder, _ = checkpoint(weights=blank)
    (prompt,) = tokens(9)
    assert np.isfinite(graph(folder, Precision.INT4).run([prompt], [9], range(9))).all()


def test_every_layer_and_the_words_are_kept_in_integers(checkpoint, tmp_path):
    convert(checkpoint()[0], "text-generation", tmp_path / "model.onnx", Precision.INT4)
    tensors = onnx.load(tmp_path / "model.onnx").graph.initializer
    matrices = {t.name for t in tensors if len(t.dims) == 2 and t.data_type == t.FLOAT}
    assert {name.rpartition(".")[2] for name in matrices} == {"scales", "cos", "sin"}
