"""How a decoder's weights are kept, and the nodes that read them so."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from shoal_serving.artifacts.convert.graph import Graph


@dataclass(frozen=True, slots=True)
class Linear:
    """A linear layer of the checkpoint: `name`.weight [outputs, inputs] and perhaps a bias."""

    name: str
    inputs: int
    outputs: int
    bias: bool = False


class Storage(Protocol):
    """One way to keep weights; `dtype` is what the graph computes in."""

    @property
    def dtype(self) -> np.dtype[np.generic]: ...

    def project(self, graph: Graph, value: str, linear: Linear) -> str:
        """`linear` of a matrix: [n, inputs] to [n, outputs]."""
        ...

    def embed(self, graph: Graph, ids: str, words: Linear) -> str:
        """The rows of `words` at `ids`: [n] to [n, inputs]."""
        ...

    def score(self, graph: Graph, value: str, words: Linear) -> str:
        """The product with every row of `words`, which may be the one that `embed` reads."""
        ...


@dataclass(frozen=True, slots=True)
class Whole:
    """Weights as floats. Gather and Gemm read the same tensor, so tied embeddings are kept once."""

    dtype: np.dtype[np.generic]

    def project(self, graph: Graph, value: str, linear: Linear) -> str:
        bias = [graph.weight(f"{linear.name}.bias", linear.outputs)] if linear.bias else []
        return graph.op("Gemm", value, _matrix(graph, linear), *bias, transB=1)

    def embed(self, graph: Graph, ids: str, words: Linear) -> str:
        return graph.op("Gather", _matrix(graph, words), ids)

    def score(self, graph: Graph, value: str, words: Linear) -> str:
        return self.project(graph, value, words)


def _matrix(graph: Graph, linear: Linear) -> str:
    return graph.weight(f"{linear.name}.weight", linear.outputs, linear.inputs)
