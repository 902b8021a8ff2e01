"""ONNX Runtime's product with a matrix of 4- or 8-bit integers in blocks."""

from dataclasses import dataclass

from shoal_serving.artifacts.convert.decoder.storage import Linear
from shoal_serving.artifacts.convert.graph import FLOAT32, MICROSOFT, Graph
from shoal_serving.artifacts.convert.initializer import Initializer

# In float32, which is for the CPU, the input, too, is rounded to 8 bits in blocks: the only
# products that are fast there.
_ROUNDED_INPUT = {"accuracy_level": 4}


@dataclass(frozen=True, slots=True)
class Quantized:
    """A linear layer's weight: (q - zero) * scale, row by row, in blocks of `block` numbers.

    `packed`: UINT8 [outputs, blocks, block * bits / 8], the first of two 4-bit numbers in the
    lower half. `scales`: [outputs, blocks], of the graph's dtype. `zeros`: UINT8
    [outputs, ceil(blocks * bits / 8)], packed likewise; without it, 2 ** (bits - 1).
    """

    bits: int
    block: int
    packed: Initializer
    scales: Initializer
    zeros: Initializer | None = None


def multiply(graph: Graph, value: str, linear: Linear, weight: Quantized) -> str:
    """`linear` of a matrix: [n, inputs] to [n, outputs]."""
    optional = [
        graph.add(weight.zeros) if weight.zeros else "",
        "",  # was for act-order; deprecated
        graph.weight(f"{linear.name}.bias", linear.outputs) if linear.bias else "",
    ]
    while optional and not optional[-1]:
        optional.pop()
    return graph.op(
        "MatMulNBits",
        value,
        graph.add(weight.packed),
        graph.add(weight.scales),
        *optional,
        domain=MICROSOFT,
        K=linear.inputs,
        N=linear.outputs,
        bits=weight.bits,
        block_size=weight.block,
        **(_ROUNDED_INPUT if graph.dtype == FLOAT32 else {}),
    )
