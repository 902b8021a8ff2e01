"""What the machine can do: a product with a matrix of the model's size, alone, in ONNX Runtime.

A step of B sequences cannot be faster than its weights' products with B columns; a prompt not than
those with its own length. Nothing but these products is in it.
"""

import time
from collections.abc import Sequence

import numpy as np
import onnx
import onnxruntime as ort
from onnx import TensorProto, helper, numpy_helper

from bench.llm.engines.worker import Calls, Tokens, serve

INPUTS, OUTPUTS = 4096, 12288


class Limit:
    """Not an engine: it is asked `products` only."""

    def __init__(self, threads: str) -> None:
        options = ort.SessionOptions()
        options.intra_op_num_threads = int(threads)
        self._sessions = {
            "fp32": ort.InferenceSession(_model(_plain()), options),
            "int4": ort.InferenceSession(_model(_rounded()), options),
        }
        self.calls: Calls = {"products": self.products}

    def batch(self, prompts: Sequence[Tokens], new: Sequence[int]) -> list[list[tuple[float, int]]]:
        raise NotImplementedError

    def products(self, precision: str, columns: int) -> float:
        """Seconds for each parameter of the matrix, the best of 5."""
        session = self._sessions[precision]
        values = np.random.default_rng(0).standard_normal((columns, INPUTS), np.float32)
        seconds = []
        for _ in range(6):
            began = time.perf_counter()
            session.run(None, {"x": values})
            seconds.append(time.perf_counter() - began)
        return min(seconds[1:]) / (INPUTS * OUTPUTS)


def _plain() -> tuple[onnx.NodeProto, list[onnx.TensorProto]]:
    weight = np.random.default_rng(0).standard_normal((INPUTS, OUTPUTS), np.float32)
    return helper.make_node("MatMul", ["x", "w"], ["y"]), [numpy_helper.from_array(weight, "w")]


def _rounded() -> tuple[onnx.NodeProto, list[onnx.TensorProto]]:
    """4 bits in blocks of 32, inputs rounded to 8 bits."""
    random = np.random.default_rng(0)
    packed = random.integers(0, 256, (OUTPUTS, INPUTS // 32, 16), np.uint8)
    scales = random.random((OUTPUTS, INPUTS // 32), np.float32)
    node = helper.make_node(
        "MatMulNBits",
        ["x", "w", "scales"],
        ["y"],
        domain="com.microsoft",
        K=INPUTS,
        N=OUTPUTS,
        bits=4,
        block_size=32,
        accuracy_level=4,
    )
    return node, [numpy_helper.from_array(packed, "w"), numpy_helper.from_array(scales, "scales")]


def _model(parts: tuple[onnx.NodeProto, list[onnx.TensorProto]]) -> bytes:
    node, weights = parts
    graph = helper.make_graph(
        [node],
        "product",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["columns", INPUTS])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["columns", OUTPUTS])],
        weights,
    )
    opsets = [helper.make_opsetid("", 21), helper.make_opsetid("com.microsoft", 1)]
    made: bytes = helper.make_model(graph, opset_imports=opsets, ir_version=10).SerializeToString()
    return made


if __name__ == "__main__":
    serve(Limit)
