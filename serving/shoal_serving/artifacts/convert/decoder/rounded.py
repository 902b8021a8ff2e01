"""Weights rounded to 4 or 8 bits in blocks of 32, to nearest, as they are written.

Embeddings and head keep 8 bits either way: with 4 the tokens change more than with all the layers'
4 bits together, and for a small share of the bytes. One tensor of integers is read by both where
they are tied.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shoal_serving.artifacts.convert.decoder import blocks
from shoal_serving.artifacts.convert.decoder.nbits import Quantized, multiply
from shoal_serving.artifacts.convert.decoder.storage import Linear
from shoal_serving.artifacts.convert.graph import FLOAT32, MICROSOFT, Graph
from shoal_serving.artifacts.convert.initializer import Initializer
from shoal_serving.artifacts.safetensors import StoredTensor

_WORD_BITS = 8
_Rows = Callable[[NDArray[np.float32]], NDArray[np.generic]]


@dataclass(frozen=True, slots=True)
class Rounded:
    """`bits`, 4 or 8, is what the layers' weights are kept in; `dtype` that of their scales."""

    bits: int
    dtype: np.dtype[np.generic] = FLOAT32

    def project(self, graph: Graph, value: str, linear: Linear) -> str:
        return multiply(graph, value, linear, _quantized(graph, linear, self.bits))

    def embed(self, graph: Graph, ids: str, words: Linear) -> str:
        weight = _quantized(graph, words, _WORD_BITS)
        scales = graph.op("Unsqueeze", graph.add(weight.scales), graph.integers(-1))
        rows = graph.op(
            "GatherBlockQuantized",
            graph.add(weight.packed),
            ids,
            scales,
            domain=MICROSOFT,
            bits=weight.bits,
            block_size=weight.block,
            gather_axis=0,
            quantize_axis=2,
        )
        rows = graph.op("Reshape", rows, graph.integers(-1, weight.packed.shape[1] * weight.block))
        if words.inputs % weight.block:  # the last block was filled up
            rows = graph.op(
                "Slice", rows, graph.integers(0), graph.integers(words.inputs), graph.integers(1)
            )
        return rows

    def score(self, graph: Graph, value: str, words: Linear) -> str:
        return multiply(graph, value, words, _quantized(graph, words, _WORD_BITS))


def _quantized(graph: Graph, linear: Linear, bits: int) -> Quantized:
    dtype = graph.dtype
    name = f"{linear.name}.weight"
    tensor = graph.stored.get(name, (linear.outputs, linear.inputs))
    count = blocks.count(linear.inputs)
    packed = (linear.outputs, count, blocks.BLOCK * bits // 8)
    return Quantized(
        bits,
        blocks.BLOCK,
        _made(
            tensor,
            f"{name}.int{bits}",
            np.dtype(np.uint8),
            packed,
            lambda rows: blocks.pack(rows, bits, dtype),
        ),
        _made(
            tensor,
            f"{name}.scales",
            dtype,
            (linear.outputs, count),
            lambda rows: blocks.scales_of(rows, bits, dtype),
        ),
    )


def _made(
    tensor: StoredTensor,
    name: str,
    dtype: np.dtype[np.generic],
    shape: tuple[int, ...],
    make: _Rows,
) -> Initializer:
    """What `make` makes of the rows of a tensor, whenever it is asked for."""

    def pieces() -> Iterator[NDArray[np.generic]]:
        for rows in tensor.rows(FLOAT32):
            yield make(rows.astype(np.float32, copy=False))

    return Initializer(name, dtype, shape, pieces)
