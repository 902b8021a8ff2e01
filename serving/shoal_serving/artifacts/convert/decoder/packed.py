"""Weights that a checkpoint already keeps in 4 bits, moved as they are into MatMulNBits' order.

Both methods keep `qweight`, `qzeros` and `scales` of every linear layer but those they spare, and
mean (q - zero) * scale, with one zero and scale for each group of inputs of an output. Nothing is
rounded again. What is not quantized, embeddings and mostly the head, is kept in the type that the
graph computes in.

GPTQ (https://github.com/ModelCloud/GPTQModel): qweight INT32 [inputs / 8, outputs], eight inputs
in one integer, the first in its lowest bits; qzeros INT32 [groups, outputs / 8] likewise by
outputs, each less 1 but in the gptq_v2 format; g_idx [inputs], the group of each input.

AWQ (https://github.com/casper-hansen/AutoAWQ, the gemm version): qweight INT32
[inputs, outputs / 8] and qzeros INT32 [groups, outputs / 8], eight outputs in one integer in the
order 0, 2, 4, 6, 1, 3, 5, 7.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shoal.errors import ModelUnsupported
from shoal_serving.artifacts.convert.decoder.blocks import pack_integers
from shoal_serving.artifacts.convert.decoder.nbits import Quantized, multiply
from shoal_serving.artifacts.convert.decoder.storage import Linear, Whole
from shoal_serving.artifacts.convert.graph import FLOAT32, Graph
from shoal_serving.artifacts.convert.initializer import Initializer
from shoal_serving.artifacts.safetensors import FLOATS, StoredTensor

_BITS, _PER_INTEGER = 4, 8
_OUTPUTS = 512  # how many are unpacked at a time
_Integers = NDArray[np.int32]
_Unpacked = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Packed:
    """`group` inputs share a scale; `by_inputs`: qweight packs along the inputs.

    `order`: which of eight outputs each part of an integer is. `less`: what is missing in zeros.
    """

    group: int
    by_inputs: bool
    order: tuple[int, ...]
    less: int
    dtype: np.dtype[np.generic] = FLOAT32

    def project(self, graph: Graph, value: str, linear: Linear) -> str:
        if not graph.has_weight(f"{linear.name}.qweight"):
            return Whole(self.dtype).project(graph, value, linear)
        self._refuse_order(graph, linear)
        return multiply(graph, value, linear, self._quantized(graph, linear))

    def embed(self, graph: Graph, ids: str, words: Linear) -> str:
        return Whole(self.dtype).embed(graph, ids, words)

    def score(self, graph: Graph, value: str, words: Linear) -> str:
        return self.project(graph, value, words)

    def _refuse_order(self, graph: Graph, linear: Linear) -> None:
        name = f"{linear.name}.g_idx"
        if not graph.has_weight(name):
            return
        groups = graph.stored.get(name, (linear.inputs,), ("I32",)).values()
        if not np.array_equal(groups, np.arange(linear.inputs) // self.group):
            raise ModelUnsupported(
                f"{name} puts inputs into groups out of order, as quantization_config.desc_act "
                "has it; the conversion supports groups in order.",
                "Quantize the checkpoint with desc_act=False.",
            )

    def _quantized(self, graph: Graph, linear: Linear) -> Quantized:
        name, inputs, outputs = linear.name, linear.inputs, linear.outputs
        if inputs % self.group or outputs % _PER_INTEGER:
            raise ModelUnsupported(
                f"{name} has {inputs} inputs and {outputs} outputs; the conversion supports "
                f"multiples of the group_size, {self.group}, and of {_PER_INTEGER}.",
                "Use the checkpoint before it was quantized, with precision int4.",
            )
        groups, packed = inputs // self.group, outputs // _PER_INTEGER
        shape = (inputs // _PER_INTEGER, outputs) if self.by_inputs else (inputs, packed)
        weight = graph.stored.get(f"{name}.qweight", shape, ("I32",))
        zeros = graph.stored.get(f"{name}.qzeros", (groups, packed), ("I32",))
        scales = graph.stored.get(f"{name}.scales", (groups, outputs), tuple(FLOATS))
        return Quantized(
            _BITS,
            self.group,
            self._weight(weight, outputs, groups),
            _turned(scales, self.dtype, (outputs, groups), lambda v: v.astype(self.dtype).T),
            _turned(zeros, np.dtype(np.uint8), (outputs, -(-groups // 2)), self._zeros),
        )

    def _weight(self, tensor: StoredTensor, outputs: int, groups: int) -> Initializer:
        def pieces() -> Iterator[NDArray[np.generic]]:
            for start in range(0, outputs, _OUTPUTS):
                rows = self._rows(tensor.values(), start, min(start + _OUTPUTS, outputs))
                yield pack_integers(rows, _BITS)
                tensor.forget()

        shape = (outputs, groups, self.group // 2)
        return Initializer(tensor.name, np.dtype(np.uint8), shape, pieces)

    def _rows(self, packed: NDArray[np.generic], start: int, end: int) -> _Unpacked:
        """The integers of these outputs, [outputs, inputs]."""
        if self.by_inputs:
            return _unpack(packed[:, start:end].T, tuple(range(_PER_INTEGER)))
        columns = packed[:, start // _PER_INTEGER : end // _PER_INTEGER]
        return _unpack(columns, self.order).T

    def _zeros(self, packed: NDArray[np.generic]) -> _Unpacked:
        """The zeros of every output, [outputs, groups / 2]."""
        zeros = (_unpack(packed, self.order).T + self.less) & 15
        return pack_integers(np.pad(zeros, ((0, 0), (0, zeros.shape[1] % 2))), _BITS)


def _turned(
    tensor: StoredTensor,
    dtype: np.dtype[np.generic],
    shape: tuple[int, ...],
    turn: Callable[[NDArray[np.generic]], NDArray[np.generic]],
) -> Initializer:
    return Initializer(tensor.name, dtype, shape, lambda: iter((turn(tensor.values()),)))


def _unpack(packed: NDArray[np.generic], order: tuple[int, ...]) -> _Unpacked:
    """INT32 [n, m] to [n, 8 * m]; part i of an integer, from its lowest bits, is at order[i]."""
    parts = packed.astype(np.int32)[..., None] >> (_BITS * np.arange(_PER_INTEGER, dtype=np.int32))
    unpacked = np.empty(parts.shape, np.uint8)
    unpacked[..., list(order)] = parts & 15
    return unpacked.reshape(len(packed), -1)
