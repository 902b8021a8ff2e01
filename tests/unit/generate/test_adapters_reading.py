"""Adapters as PEFT saves them."""

import math

import numpy as np
import pytest
from decoders import decoder, random_weights
from peft_adapters import random_changes, stored, write_adapter

from shoal_serving.generate.adapters import projections_of, read_adapter

WEIGHTS = random_weights(decoder())
FIRST = "model.layers.0.self_attn.q_proj"


@pytest.fixture
def changes():
    return random_changes(WEIGHTS, ("q_proj", "down_proj"))


def product(change):
    return change.a.T @ change.b


def test_every_module_is_what_peft_adds_to_it(tmp_path, changes):
    adapter = read_adapter(write_adapter(tmp_path, stored(changes)), "tone")
    assert (adapter.name, adapter.rank, len(adapter.modules)) == ("tone", 4, 6)
    for (layer, projection), change in adapter.modules.items():
        block = "mlp" if projection == "down_proj" else "self_attn"
        a, b = changes[f"model.layers.{layer}.{block}.{projection}"]
        np.testing.assert_allclose(product(change), (b @ a).T * 8 / 4, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(("prefix", "infix"), [("", ""), ("base_model.model.", ".default")])
def test_other_spellings_of_the_names_are_the_same(tmp_path, changes, prefix, infix):
    usual = read_adapter(write_adapter(tmp_path / "usual", stored(changes)), "tone")
    tensors = stored(changes, prefix, infix)
    other = read_adapter(write_adapter(tmp_path / "other", tensors), "tone")
    assert other.modules.keys() == usual.modules.keys()
    for module, change in usual.modules.items():
        np.testing.assert_array_equal(product(other.modules[module]), product(change))


@pytest.mark.parametrize(("dtype", "near"), [("F16", 1e-3), ("BF16", 1e-2)])
def test_half_precision_is_widened(tmp_path, changes, dtype, near):
    adapter = read_adapter(write_adapter(tmp_path, stored(changes), dtype), "tone")
    a, b = changes[FIRST]
    change = adapter.modules[0, "q_proj"]
    assert (change.a.dtype, change.b.dtype) == (np.float32, np.float32)
    np.testing.assert_allclose(change.a, a, rtol=near)
    np.testing.assert_allclose(change.b, b.T * 2, rtol=near)


@pytest.mark.parametrize(
    ("config", "scale"),
    [
        ({"lora_alpha": 6}, 1.5),
        ({"lora_alpha": 0.5}, 0.125),
        ({"use_rslora": True}, 8 / math.sqrt(4)),
        ({"alpha_pattern": {"q_proj": 16}}, 4),
        ({"alpha_pattern": {"down_proj": 16}}, 2),
        ({"alpha_pattern": {"proj": 16, "j": 16}}, 2),
        ({"alpha_pattern": {FIRST: 16, "q_proj": 4}}, 4),
        ({"alpha_pattern": {f"^{FIRST}": 16}}, 4),
        ({"alpha_pattern": {"^q_proj": 16}}, 2),
        ({"r": 16, "rank_pattern": {"q_proj": 4, "mlp.down_proj": 4}, "use_rslora": True}, 4),
    ],
)
def test_the_scale_is_peft_s(tmp_path, changes, config, scale):
    adapter = read_adapter(write_adapter(tmp_path, stored(changes), **config), "tone")
    np.testing.assert_allclose(adapter.modules[0, "q_proj"].b, changes[FIRST][1].T * scale)


def test_modules_may_have_ranks_of_their_own(tmp_path, changes):
    wide = random_changes(WEIGHTS, ("v_proj",), rank=6)
    folder = write_adapter(tmp_path, stored(changes | wide), rank_pattern={"v_proj": 6})
    adapter = read_adapter(folder, "tone")
    assert {m.projection: change.rank for m, change in adapter.modules.items()} == {
        "q_proj": 4,
        "down_proj": 4,
        "v_proj": 6,
    }
    assert adapter.rank == 6


def test_only_some_layers_may_be_changed(tmp_path, changes):
    tensors = {name: w for name, w in stored(changes).items() if ".layers.1." in name}
    adapter = read_adapter(write_adapter(tmp_path, tensors, layers_to_transform=[1]), "tone")
    assert set(adapter.modules) == {(1, "q_proj"), (1, "down_proj")}


def test_a_base_is_converted_with_what_any_adapter_changes(tmp_path, changes):
    others = random_changes(WEIGHTS, ("v_proj", "q_proj"))
    adapters = [
        read_adapter(write_adapter(tmp_path / str(number), stored(each)), str(number))
        for number, each in enumerate((changes, others))
    ]
    assert projections_of(adapters) == ("down_proj", "q_proj", "v_proj")
    assert projections_of([]) == ()
