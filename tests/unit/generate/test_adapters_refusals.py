"""Adapters that cannot be served are refused by name, with what is wrong and what to do."""

import numpy as np
import pytest
from decoders import decoder, random_weights
from peft_adapters import random_changes, stored, write_adapter

from shoal.errors import ArtifactRefused, ModelLoadFailed, ModelUnsupported
from shoal_serving.generate.adapters import read_adapter

CHANGES = random_changes(random_weights(decoder()), ("q_proj",))
TENSORS = stored(CHANGES)
FIRST = "base_model.model.model.layers.0.self_attn.q_proj"


@pytest.mark.parametrize(
    ("config", "named"),
    [
        ({"peft_type": "LOHA"}, 'peft_type "LOHA"; supported is LORA'),
        ({"peft_type": None}, "peft_type null"),
        ({"use_dora": True}, "use_dora true"),
        ({"bias": "lora_only"}, 'bias "lora_only"; supported is none'),
        ({"lora_bias": True}, "lora_bias true"),
        ({"modules_to_save": ["lm_head"]}, r'modules_to_save \["lm_head"\]'),
        ({"fan_in_fan_out": True}, "fan_in_fan_out true"),
        ({"trainable_token_indices": [5]}, r"trainable_token_indices \[5\]"),
        ({"target_parameters": ["mlp.experts"]}, "target_parameters"),
        ({"layer_replication": [[0, 2], [1, 3]]}, "layer_replication"),
        ({"alora_invocation_tokens": [7]}, "alora_invocation_tokens"),
        ({"init_lora_weights": "pissa_niter_4"}, 'init_lora_weights "pissa_niter_4"'),
        ({"rank_pattern": {"(a+)+$": 4}}, r"rank_pattern '\(a\+\)\+\$'; supported are names"),
    ],
)
def test_another_kind_of_adapter(tmp_path, config, named):
    with pytest.raises(ModelUnsupported, match=f"Adapter tone: .*{named}"):
        read_adapter(write_adapter(tmp_path, TENSORS, **config), "tone")


@pytest.mark.parametrize(
    ("config", "named"),
    [
        ({"r": None}, "r is missing; expected a positive integer"),
        ({"r": 0}, "r is 0"),
        ({"lora_alpha": "8"}, "lora_alpha is '8'; expected a number"),
        ({"rank_pattern": ["q_proj"]}, "rank_pattern is .*expected an object"),
        ({"rank_pattern": {"q_proj": 2.5}}, "rank_pattern is 2.5"),
        ({"r": 8}, rf"lora_A of {FIRST[17:]} has shape \[4, 64\]; .* \[8, inputs\]"),
    ],
)
def test_a_configuration_that_is_not_of_these_weights(tmp_path, config, named):
    with pytest.raises(ModelLoadFailed, match=f"Adapter tone: .*{named}"):
        read_adapter(write_adapter(tmp_path, TENSORS, **config), "tone")


@pytest.mark.parametrize(
    "name",
    [
        "base_model.model.model.embed_tokens.lora_embedding_A",
        "base_model.model.lm_head.lora_A.weight",
        "base_model.model.lm_head.weight",
        f"{FIRST}.lora_magnitude_vector",
        f"{FIRST}.lora_B.bias",
        f"{FIRST}.lora_A.other.weight",
        "base_model.model.model.layers.0.mlp.experts.0.up_proj.lora_A.weight",
        "base_model.model.transformer.h.0.attn.c_attn.lora_A.weight",
    ],
)
def test_a_tensor_that_no_adapter_may_have_is_named(tmp_path, name):
    tensors = TENSORS | {name: np.ones((4, 64), np.float32)}
    with pytest.raises(ModelUnsupported, match=f"Adapter tone: The tensor {name} is not supported"):
        read_adapter(write_adapter(tmp_path, tensors), "tone")


@pytest.mark.parametrize(
    ("tensors", "named"),
    [
        ({}, "adapter_model.safetensors is empty"),
        ({n: w for n, w in TENSORS.items() if "lora_B" not in n}, "lora_B of .* is missing"),
        (
            TENSORS | {f"{FIRST}.lora_A.default.weight": np.ones((4, 64), np.float32)},
            "is there twice",
        ),
        (
            TENSORS | {f"{FIRST}.lora_B.weight": np.ones((64, 3), np.float32)},
            r"lora_B of .* has shape \[64, 3\]; .* makes it \[outputs, 4\]",
        ),
        (TENSORS | {f"{FIRST}.lora_A.weight": np.ones(4, np.float32)}, r"has shape \[4\]"),
    ],
)
def test_tensors_that_make_no_adapter(tmp_path, tensors, named):
    with pytest.raises(ModelLoadFailed, match=f"Adapter tone: .*{named}"):
        read_adapter(write_adapter(tmp_path, tensors), "tone")


def test_integers(tmp_path):
    tensors = TENSORS | {f"{FIRST}.lora_A.weight": np.ones((4, 64), np.int32)}
    with pytest.raises(ModelUnsupported, match="stored as I32; supported are F32, F16, BF16"):
        read_adapter(write_adapter(tmp_path, tensors), "tone")


def test_a_rank_above_the_limit(tmp_path):
    folder = write_adapter(tmp_path, TENSORS)
    with pytest.raises(ModelUnsupported, match="has rank 4; the limit is 3"):
        read_adapter(folder, "tone", max_rank=3)


def test_a_pickle(tmp_path):
    folder = write_adapter(tmp_path, TENSORS)
    (folder / "adapter_model.safetensors").rename(folder / "adapter_model.bin")
    with pytest.raises(ArtifactRefused, match="pickle"):
        read_adapter(folder, "tone")


@pytest.mark.parametrize("missing", ["adapter_config.json", "adapter_model.safetensors"])
def test_a_missing_file_is_named(tmp_path, missing):
    folder = write_adapter(tmp_path, TENSORS)
    (folder / missing).unlink()
    with pytest.raises(ModelUnsupported, match=f"Adapter tone: .* has no {missing}"):
        read_adapter(folder, "tone")


@pytest.mark.parametrize("content", ["[1]", "{", "[" * 100_000])
def test_a_configuration_that_is_no_object(tmp_path, content):
    folder = write_adapter(tmp_path, TENSORS)
    (folder / "adapter_config.json").write_text(content)
    with pytest.raises(ModelLoadFailed, match=r"adapter_config\.json is not"):
        read_adapter(folder, "tone")
