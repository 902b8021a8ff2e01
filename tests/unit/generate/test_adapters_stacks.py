"""The arrays that adapters share: what is in them as adapters come and go."""

import numpy as np
import pytest

from shoal.api.tensors import Datatype, TensorSpec
from shoal.errors import ModelLoadFailed, ModelNotFound
from shoal_serving.generate.adapters import Adapter, AdapterStacks, LowRank
from shoal_serving.generate.adapters.adapter import Module

Q0, Q1, V0 = Module(0, "q_proj"), Module(1, "q_proj"), Module(0, "v_proj")
SIZES = {"q_proj": (8, 6), "v_proj": (8, 4)}


def stacks(datatype=Datatype.FP32):
    inputs = [
        TensorSpec(name="input_ids", datatype=Datatype.INT64, shape=(-1, -1)),
        TensorSpec(name="adapter_ids", datatype=Datatype.INT64, shape=(-1,)),
        TensorSpec(name="lora.adapters", datatype=Datatype.INT64, shape=(-1,)),
    ]
    for layer in range(2):
        for projection, sizes in SIZES.items():
            for part, size in zip("ab", sizes, strict=True):
                name = f"lora.{layer}.{projection}.{part}"
                inputs.append(TensorSpec(name=name, datatype=datatype, shape=(-1, size)))
    return AdapterStacks(inputs)


def adapter(name, *modules, rank=2, seed=0):
    random = np.random.default_rng(seed)

    def low_rank(module):
        inputs, outputs = SIZES[module.projection]
        return LowRank(
            random.normal(size=(rank, inputs)).astype(np.float32),
            random.normal(size=(rank, outputs)).astype(np.float32),
        )

    return Adapter(name, {module: low_rank(module) for module in modules or (Q0, V0)})


def added(stacks, number, module):
    """What the arrays add to a module for sequences with this id."""
    feeds = stacks.feeds()
    rows = feeds["lora.adapters"] == number
    name = f"lora.{module.layer}.{module.projection}"
    return feeds[f"{name}.a"][rows].T @ feeds[f"{name}.b"][rows]


def check(stacks, loaded):
    """Every adapter changes what it changes, and nothing else."""
    for each in loaded:
        for module in (Q0, Q1, V0):
            change = each.modules.get(module)
            expected = change.a.T @ change.b if change else 0
            np.testing.assert_array_equal(added(stacks, stacks.id_of(each.name), module), expected)


def test_adapters_of_different_ranks_and_modules_lie_side_by_side():
    both = [adapter("a", Q0, V0, rank=2), adapter("b", Q1, rank=5, seed=1)]
    arrays = stacks()
    ids = [arrays.load(each) for each in both]
    assert ids == [arrays.id_of("a"), arrays.id_of("b")] == [1, 2]
    assert (arrays.id_of(None), arrays.names) == (0, ("a", "b"))
    check(arrays, both)


def test_rows_that_became_free_are_taken_again_and_ids_are_not():
    arrays, first, second = stacks(), adapter("a", Q0, V0, rank=3), adapter("b", Q1, rank=3, seed=1)
    old = arrays.load(first)
    arrays.load(second)
    size = len(arrays.feeds()["lora.adapters"])
    arrays.unload("a")
    assert not added(arrays, old, Q0).any()
    third = adapter("a", Q0, rank=3, seed=2)
    assert arrays.load(third) == 3
    assert len(arrays.feeds()["lora.adapters"]) == size
    check(arrays, [second, third])


def test_any_number_of_adapters_come_and_go():
    arrays, random, loaded = stacks(), np.random.default_rng(3), {}
    for number in range(60):
        if len(loaded) > 8 or (loaded and random.random() < 0.4):
            name = random.choice(sorted(loaded))
            arrays.unload(name)
            del loaded[name]
        else:
            modules = [(Q0,), (V0, Q1), (Q0, Q1, V0)][random.integers(3)]
            rank = int(random.integers(1, 7))
            each = loaded[f"{number}"] = adapter(f"{number}", *modules, rank=rank, seed=number)
            arrays.load(each)
        check(arrays, loaded.values())
    assert len(arrays.feeds()["lora.adapters"]) <= 2 * 9 * 6


def test_nobody_has_the_base_s_id():
    arrays = stacks()
    arrays.load(adapter("a"))
    arrays.unload("a")
    assert 0 not in arrays.feeds()["lora.adapters"]


def test_the_arrays_are_the_same_until_the_version_changes():
    arrays = stacks()
    versions = [arrays.version]
    arrays.load(adapter("a"))
    versions.append(arrays.version)
    first, second = arrays.feeds(), arrays.feeds()
    assert all(first[name] is second[name] for name in first)
    arrays.unload("a")
    assert len({*versions, arrays.version}) == 3


def test_there_are_inputs_for_nothing_before_the_first_adapter():
    feeds = stacks().feeds()
    assert feeds["lora.adapters"].shape == (0,)
    assert feeds["lora.1.v_proj.b"].shape == (0, 4)
    assert "adapter_ids" not in feeds


def test_a_graph_without_adapters_needs_nothing():
    ids = TensorSpec(name="input_ids", datatype=Datatype.INT64, shape=(-1, -1))
    arrays = AdapterStacks([ids])
    assert (arrays.feeds(), arrays.projections) == ({}, ())
    with pytest.raises(ModelLoadFailed, match="lets adapters change: none"):
        arrays.load(adapter("a"))


def test_the_graph_s_type_is_kept():
    arrays = stacks(Datatype.FP16)
    arrays.load(adapter("a"))
    arrays.load(adapter("b", seed=1))
    dtypes = {name: values.dtype for name, values in arrays.feeds().items()}
    assert dtypes.pop("lora.adapters") == np.int64
    assert set(dtypes.values()) == {np.dtype(np.float16)}


@pytest.mark.parametrize("worst", [np.inf, np.nan, 1e6])
def test_numbers_that_the_graph_s_type_cannot_hold_are_refused(worst):
    broken = adapter("a")
    broken.modules[V0].b[1, 2] = worst
    with pytest.raises(ModelLoadFailed, match=r"Adapter a .* not finite as float16 in v_proj of"):
        stacks(Datatype.FP16).load(broken)


@pytest.mark.parametrize(
    ("module", "shape", "named"),
    [
        (Module(0, "o_proj"), (8, 6), "o_proj of layer 0; .* lets adapters change: q_proj, v_proj"),
        (Module(2, "q_proj"), (8, 6), "q_proj of layer 2; the base has 2 layers"),
        (Q0, (9, 6), r"q_proj of layer 0 of shape \[6, 9\]; that of the base is \[6, 8\]"),
        (V0, (8, 6), r"v_proj of layer 0 of shape \[6, 8\]; that of the base is \[4, 8\]"),
    ],
)
def test_an_adapter_of_another_base_is_refused_and_changes_nothing(module, shape, named):
    arrays = stacks()
    inputs, outputs = shape
    ones = LowRank(np.ones((2, inputs), np.float32), np.ones((2, outputs), np.float32))
    with pytest.raises(ModelLoadFailed, match=f"Adapter a .*{named}"):
        arrays.load(Adapter("a", {module: ones}))
    assert (arrays.version, arrays.names) == (0, ())


def test_a_name_is_taken_once():
    arrays = stacks()
    arrays.load(adapter("a"))
    with pytest.raises(ModelLoadFailed, match="adapter a is loaded already"):
        arrays.load(adapter("a", seed=1))


def test_an_unknown_name_is_not_found():
    arrays = stacks()
    arrays.load(adapter("a"))
    with pytest.raises(ModelNotFound, match="no adapter 'b'; loaded: a"):
        arrays.id_of("b")
    with pytest.raises(ModelNotFound, match="no adapter 'b'"):
        arrays.unload("b")
