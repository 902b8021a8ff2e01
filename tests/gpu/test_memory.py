"""What a process takes of a real GPU, and what happens where that is not enough."""

import ctypes
import os
import subprocess
import sys
from dataclasses import replace

import numpy as np
import onnx
import onnxruntime
import pytest
from as_cuda import on_cuda
from chat_models import revision
from onnx import TensorProto, helper, numpy_helper

from shoal.api.model import ExecutionProvider, OnnxRuntime
from shoal.errors import MemoryExceeded, MemoryUsedUp
from shoal_serving.artifacts import Cache
from shoal_serving.backends.onnx import OnnxBackend
from shoal_serving.loading import Place, load_model
from shoal_serving.loading.place import CUDA_BYTES

PROVIDER = "CUDAExecutionProvider"
if PROVIDER not in onnxruntime.get_available_providers():
    pytest.skip(f"needs a GPU: ONNX Runtime has no {PROVIDER} here", allow_module_level=True)

MIB = 2**20
SHARE = CUDA_BYTES + 256 * MIB
ON_GPU = OnnxRuntime(execution_providers=(ExecutionProvider.CUDA,))
WIDTH = 1024
# Loads tiny-chat with a share, and generates for eight.
PROCESS = """
import asyncio, sys
from pathlib import Path
from as_cuda import on_cuda
from chat_models import answers, greedy, references, revision
from shoal_serving.artifacts import Cache
from shoal_serving.loading import Place, load_model
place = Place(Cache(Path(sys.argv[1])), 1, None, gpu=True, gpu_memory=int(sys.argv[2]))
model = load_model("chat", on_cuda(revision()), place, lambda *step: None, None)
asyncio.run(answers(model, [greedy(prompt) for prompt, _ in references()]))
print("ready", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def products(tmp_path):
    """Opens a graph of three products that takes 12 KiB a row, with so many bytes for itself."""
    weight = numpy_helper.from_array(np.eye(WIDTH, dtype=np.float32), "w")
    steps = [("x", "a"), ("a", "b"), ("b", "y")]
    nodes = [helper.make_node("MatMul", [x, "w"], [y]) for x, y in steps]
    ends = [helper.make_tensor_value_info(n, TensorProto.FLOAT, ["n", WIDTH]) for n in "xy"]
    made = helper.make_graph(nodes, "graph", ends[:1], ends[1:], [weight])
    opsets = [helper.make_opsetid("", 21)]
    onnx.save(helper.make_model(made, opset_imports=opsets, ir_version=10), tmp_path / "m.onnx")
    opened = []

    def open_(size):
        opened.append(OnnxBackend(tmp_path / "m.onnx", ON_GPU, 1, size))
        return opened[-1]

    yield open_
    for backend in opened:
        backend.close()


def rows(count):
    return {"x": np.random.default_rng(0).standard_normal((count, WIDTH), np.float32)}


def test_a_run_that_is_more_than_the_share_fails_and_others_go_on(products):
    backend = products(128 * MIB)
    for count in (1, 100, 3000):
        np.testing.assert_allclose(backend.run(rows(count))["y"], rows(count)["x"], rtol=1e-2)
    with pytest.raises(MemoryUsedUp, match=r"share of the GPU is used up: .* \d+ MiB are left"):
        backend.run(rows(40_000))
    for count in (1, 100, 3000):
        np.testing.assert_allclose(backend.run(rows(count))["y"], rows(count)["x"], rtol=1e-2)


def test_what_ran_before_runs_whatever_came_between(products):
    backend = products(128 * MIB)
    for count in (6000, *range(500, 3000, 170), 6000):
        assert backend.run(rows(count))["y"].shape == (count, WIDTH)


def test_weights_that_are_more_than_the_share_are_told(products):
    with pytest.raises(MemoryExceeded, match=r"m\.onnx cannot be loaded: .* share of the GPU"):
        products(2 * MIB)


def test_a_decoder_that_cannot_run_in_its_share_is_told(tmp_path):
    place = Place(Cache(tmp_path), 1, None, gpu=True, gpu_memory=SHARE)
    load_model("chat", on_cuda(revision()), place, lambda *step: None, None).close()
    tight = replace(place, gpu_memory=CUDA_BYTES + 12 * MIB)
    with pytest.raises(MemoryExceeded, match="share of the GPU is used up") as refused:
        load_model("chat", on_cuda(revision()), tight, lambda *step: None, None)
    assert "spec.resources.gpu.memory" in refused.value.action


def test_a_process_takes_no_more_than_its_share(products, tmp_path, capsys):
    products(None)  # brings the libraries
    library = ctypes.CDLL("libcudart.so.13")
    before = free(library)
    process = subprocess.Popen(
        [sys.executable, "-c", PROCESS, str(tmp_path), str(SHARE)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=child_environment(),
    )
    try:
        assert process.stdout.readline() == "ready\n"
        taken = before - free(library)
    finally:
        process.kill()
        process.communicate()
    with capsys.disabled():
        print(f"\n    a process with tiny-chat: {taken // MIB} MiB, of {SHARE // MIB}")
    assert taken <= SHARE


def free(library):
    """The bytes that the GPU has left."""
    left, whole = ctypes.c_size_t(), ctypes.c_size_t()
    assert library.cudaMemGetInfo(ctypes.byref(left), ctypes.byref(whole)) == 0
    return left.value


def child_environment():
    return {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
