"""ONNX Runtime's words where a run finds no memory; they were seen on a GPU."""

import pytest

from shoal_serving.backends.exhaustion import exhaustion

SHARE = (
    "[ONNXRuntimeError] : 1 : FAIL : Non-zero status code returned while running Add node. Name:'' "
    "Status Message: bfc_arena.cc:360 void* onnxruntime::BFCArena::AllocateRawInternal(size_t, "
    "bool, onnxruntime::Stream*) Available memory of 112840960 is smaller than requested bytes of "
    "201326592"
)
CARD = (
    "Non-zero status code returned while running FusedMatMul node. Status Message: "
    "bfc_arena.cc:360 Failed to allocate memory for requested buffer of size 3221225472"
)


def test_a_share_that_is_used_up_is_told_in_mebibytes():
    assert str(exhaustion(SHARE)) == (
        "the model's share of the GPU is used up: a run wants 192 MiB more, 108 MiB are left"
    )


@pytest.mark.parametrize("said", [CARD, "CUDA failure 2: out of memory ; GPU=0", "std::bad_alloc"])
def test_a_device_that_is_full_is_told_in_its_words(said):
    assert str(exhaustion(said)) == f"the machine failed: {said}"


@pytest.mark.parametrize("said", ["cannot be reshaped", "CUDA failure 700", "'out of memory'"])
def test_anything_else_is_not(said):
    assert exhaustion(said) is None
