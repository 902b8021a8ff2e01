"""What cannot be converted is refused: by the right class, with the field and what is supported."""

import json

import numpy as np
import pytest

from shoal.errors import ModelLoadFailed, ModelUnsupported
from shoal_serving.artifacts.convert import Precision, convert


@pytest.mark.parametrize(
    ("architecture", "changes", "named"),
    [
        ("Gemma2", {}, "Gemma2ForCausalLM; .* LlamaForCausalLM, MistralForCausalLM, Qwen2"),
        ("Llama", {"architectures": None}, "no architecture"),
        ("Llama", {"hidden_act": "gelu"}, """hidden_act "gelu"; .* supports 'silu'"""),
        ("Llama", {"head_dim": 24}, "head_dim of 24; .* multiples of 16"),
        (
            "Phi3",
            {"rope_scaling": {"type": "longrope", "short_factor": [1.0], "long_factor": [2.0]}},
            'rope_scaling.type "longrope"; .* default, linear, llama3, yarn',
        ),
        (
            "Llama",
            {"rope_parameters": {"rope_type": "dynamic", "factor": 2.0}},
            'rope_parameters.rope_type "dynamic"',
        ),
        (
            "Qwen2",
            {"rope_scaling": {"type": "yarn", "factor": 2.0, "mscale": 1.0}},
            "rope_scaling.mscale 1.0",
        ),
        ("Phi3", {"partial_rotary_factor": 0.5}, "partial_rotary_factor 0.5; .* 16 numbers"),
        ("Phi3", {"partial_rotary_factor": 2.0}, "partial_rotary_factor 2.0"),
        (
            "Mistral",
            {"sliding_window": 4, "layer_types": ["full_attention", "chunked", "chunked"]},
            "layer_types .*chunked.* full_attention and sliding_attention",
        ),
    ],
)
def test_a_variant_that_computes_something_else(checkpoint, graph, architecture, changes, named):
    folder, _ = checkpoint("Llama")
    config = json.loads((folder / "config.json").read_text())
    changes = {"architectures": [f"{architecture}ForCausalLM"]} | changes
    (folder / "config.json").write_text(json.dumps(config | changes))
    with pytest.raises(ModelUnsupported, match=named):
        graph(folder)


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"num_key_value_heads": 3}, "3 key-value heads do not divide 4"),
        ({"num_attention_heads": 6}, "6 attention heads do not divide a hidden size of 64"),
        ({"hidden_size": None}, "hidden_size is missing"),
        ({"attention_bias": "yes"}, "attention_bias is 'yes'; expected true or false"),
        ({"rope_scaling": [1]}, r"rope_scaling is \[1\]; expected an object"),
        ({"rope_scaling": {"type": "linear"}}, "rope_scaling.factor is missing"),
        ({"rope_theta": float("inf")}, "rope_theta is inf; expected a positive number"),
        ({"vocab_size": 62}, r"embed_tokens.weight has shape \[61, 64\]; .* \[62, 64\]"),
        ({"num_hidden_layers": 4}, r"model\.layers\.3\.input_layernorm"),
        ({"attention_bias": True}, "q_proj.bias .* is missing"),
    ],
)
def test_a_config_that_is_not_of_these_weights(checkpoint, graph, changes, named):
    folder, _ = checkpoint()
    config = json.loads((folder / "config.json").read_text()) | changes
    if "num_key_value_heads" in changes or "num_attention_heads" in changes:
        config |= {"head_dim": None}
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(ModelLoadFailed, match=named):
        graph(folder)


def test_a_missing_head_is_named(checkpoint, graph):
    def headless(weights):
        return {name: values for name, values in weights.items() if name != "lm_head.weight"}

    folder, _ = checkpoint(weights=headless)
    with pytest.raises(ModelLoadFailed, match=r"lm_head.weight \[61, 64\] is missing"):
        graph(folder)


def test_a_stranger_s_integers_are_named(checkpoint, graph):
    folder, _ = checkpoint(weights=lambda w: w | {"model.norm.weight": np.ones(64, np.int32)})
    with pytest.raises(ModelUnsupported, match=r"model\.norm\.weight is stored as I32"):
        graph(folder)


def test_encoders_have_one_precision(checkpoint, tmp_path):
    folder, _ = checkpoint()
    with pytest.raises(ModelUnsupported, match="tensor computes in fp32; int4 was asked for"):
        convert(folder, "tensor", tmp_path / "model.onnx", Precision.INT4)
