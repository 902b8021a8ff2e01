"""Adapters of many sequences in one run: LoRA (Hu et al. 2021, https://arxiv.org/abs/2106.09685).

An adapter changes a projection by a product of low rank: y = x W' + (x A') B. Here A and B hold
the rows of all adapters, one after the other, whatever their ranks:

    adapter_ids ──▶ rows that any sequence uses ──▶ A, B ──▶ x A', with 0 where the row
    lora.adapters ─┘                                         is another adapter's ──▶ · B + x W'

A run costs what its own adapters cost, however many are loaded. Where no sequence has one, there
are no rows, and products of nothing are left, which cost next to nothing.
"""

from collections.abc import Collection
from functools import cached_property

import numpy as np
from onnx import TensorProto, helper

from shoal.errors import ModelUnsupported
from shoal_serving.artifacts.convert.decoder.family import Family
from shoal_serving.artifacts.convert.decoder.storage import Linear, Storage
from shoal_serving.artifacts.convert.graph import BATCH, Graph
from shoal_serving.artifacts.convert.initializer import computed

_PROJECTIONS = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")
_FUSED = ("qkv_proj", "o_proj", "gate_up_proj", "down_proj")
_ROWS = "lora_rows"


class Adapted:
    """A storage, with what adapters add to the projections that have these names."""

    def __init__(
        self, storage: Storage, graph: Graph, ids: str, projections: Collection[str]
    ) -> None:
        self._storage = storage
        self._graph = graph
        self._ids = ids
        self._projections = projections
        self._kept: str | None = None

    @property
    def dtype(self) -> np.dtype[np.generic]:
        return self._storage.dtype

    def keep(self, rows: str) -> None:
        """From here on values have only these rows of [B * S]."""
        self._kept = rows

    def project(self, graph: Graph, value: str, linear: Linear) -> str:
        base = self._storage.project(graph, value, linear)
        if linear.name.rpartition(".")[2] not in self._projections:
            return base
        down, up = self._low_rank(linear)
        inner = graph.op("Gemm", value, down, transB=1)
        # Not a product with 0: what overflows for one sequence must not reach the others.
        own = graph.op("Where", self._mask(), inner, self._zero)
        return graph.op("Gemm", own, up, base)

    def embed(self, graph: Graph, ids: str, words: Linear) -> str:
        return self._storage.embed(graph, ids, words)

    def score(self, graph: Graph, value: str, words: Linear) -> str:
        return self._storage.score(graph, value, words)

    def _low_rank(self, linear: Linear) -> tuple[str, str]:
        """The rows of A and B that this run uses."""
        graph, (_, _, layer, _, projection) = self._graph, linear.name.split(".")
        kind, name = helper.np_dtype_to_tensor_dtype(graph.dtype), f"lora.{layer}.{projection}"
        down = graph.input(f"{name}.a", kind, [_ROWS, linear.inputs])
        up = graph.input(f"{name}.b", kind, [_ROWS, linear.outputs])
        rows, _ = self._used
        return graph.op("Gather", down, rows), graph.op("Gather", up, rows)

    @cached_property
    def _used(self) -> tuple[str, str]:
        """The rows that any sequence uses, [U], and which sequences use them, [B, U]."""
        graph = self._graph
        ids = graph.input("adapter_ids", TensorProto.INT64, [BATCH])
        adapters = graph.input("lora.adapters", TensorProto.INT64, [_ROWS])
        same = graph.op("Equal", graph.op("Unsqueeze", ids, graph.integers(-1)), adapters)
        numbers = graph.op("Cast", same, to=TensorProto.INT32)
        counts = graph.op("ReduceSum", numbers, graph.integers(0), keepdims=0)
        rows = graph.op("Squeeze", graph.op("NonZero", counts), graph.integers(0))
        return rows, graph.op("Gather", same, rows, axis=1)

    def _mask(self) -> str:
        """Which of the used rows each row of a value may use: BOOL [n, U]."""
        graph, (_, users) = self._graph, self._used
        length = graph.op("Gather", graph.op("Shape", self._ids), graph.integer(1))
        return graph.op("Gather", users, graph.op("Div", self._kept or self._tokens(), length))

    def _tokens(self) -> str:
        """0 to B * S."""
        graph = self._graph
        count = graph.op("Size", self._ids)
        return graph.op("Range", graph.integer(0), count, graph.integer(1))

    @property
    def _zero(self) -> str:
        return self._graph.add(computed("lora.zero", np.zeros((), self._graph.dtype)))


def check_projections(family: Family, projections: Collection[str]) -> None:
    """Refuse projections that the family has not.

    Raises:
        ModelUnsupported: there is such a one.
    """
    known = _FUSED if family.fused else _PROJECTIONS
    for name in projections:
        if name not in known:
            raise ModelUnsupported(
                f"{family.architecture} has no projection {name} that an adapter may change; "
                f"it has {', '.join(known)}.",
                "Use adapters that were trained on this base.",
            )
