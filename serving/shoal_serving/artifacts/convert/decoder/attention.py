"""Attention over a sequence's past: ONNX Runtime's GroupQueryAttention, which keeps it and turns
queries and keys by their positions.
"""

from typing import Any

import numpy as np
from onnx import TensorProto, helper

from shoal_serving.artifacts.convert.decoder.scales import CacheScales
from shoal_serving.artifacts.convert.decoder.sizes import Sizes
from shoal_serving.artifacts.convert.decoder.storage import Linear, Storage
from shoal_serving.artifacts.convert.graph import BATCH, MICROSOFT, Graph

# Places among the operator's inputs.
_K_SCALE, _QUERY_SEQLENS = 12, 16


class Attention:
    """The attention of every layer, and the inputs and outputs that it brings.

    Where there are `scales`, past and present are int8. `ragged`: how many new tokens each sequence
    has is an input (ONNX Runtime 1.32 and newer).
    """

    def __init__(
        self,
        graph: Graph,
        sizes: Sizes,
        storage: Storage,
        ids: str,
        scales: CacheScales | None,
        ragged: bool,
    ) -> None:
        self._graph = graph
        self._sizes = sizes
        self._storage = storage
        self._scales = scales
        self._shape = graph.op("Shape", ids)
        self._lengths = (
            graph.input("seqlens_k", TensorProto.INT32, [BATCH]),
            graph.input("total_sequence_length", TensorProto.INT32, []),
        )
        self._counts = [graph.input("query_seqlens", TensorProto.INT32, [BATCH])] if ragged else []
        self._caches = tuple(graph.add(cache) for cache in sizes.rope.caches(graph.dtype))

    def mix(self, number: int, normed: str) -> str:
        """What a layer's tokens take from each other: [B * S, heads * head]."""
        graph, sizes = self._graph, self._sizes
        past = self._past(number)
        present = tuple(name.replace("past_key_values", "present") for name in past)
        mixed = f"model.layers.{number}.self_attn"
        inputs = [*self._queries_keys_values(number, normed), *past, *self._lengths, *self._caches]
        inputs += [""] * (_QUERY_SEQLENS - len(inputs))
        if self._scales is not None:
            inputs[_K_SCALE : _K_SCALE + 2] = [self._scale(name, self._scales) for name in past]
        inputs += self._counts
        while not inputs[-1]:
            inputs.pop()
        graph.node(
            "GroupQueryAttention",
            inputs,
            [mixed, *present],
            domain=MICROSOFT,
            num_heads=sizes.heads,
            kv_num_heads=sizes.kv_heads,
            do_rotary=1,
            **self._window(number),
            **self._rounding,
        )
        for name in present:
            graph.declare(name, self._type, [BATCH, sizes.kv_heads, "total", sizes.head])
        return graph.op("Reshape", mixed, graph.integers(-1, sizes.query))

    def project(self, number: int, mixed: str) -> str:
        """What attention changes in the hidden states."""
        sizes, name = self._sizes, f"model.layers.{number}.self_attn.o_proj"
        linear = Linear(name, sizes.query, sizes.hidden, sizes.output_bias)
        return self._storage.project(self._graph, mixed, linear)

    def _window(self, number: int) -> dict[str, Any]:
        window = self._sizes.windows[number]
        return {} if window is None else {"local_window_size": window}

    def _past(self, number: int) -> tuple[str, ...]:
        shape: list[str | int] = [BATCH, self._sizes.kv_heads, "past", self._sizes.head]
        names = (f"past_key_values.{number}.{part}" for part in ("key", "value"))
        return tuple(self._graph.input(name, self._type, shape) for name in names)

    def _scale(self, name: str, scales: CacheScales) -> str:
        return self._graph.constant(f"{name}.scale", scales[name].astype(np.float32))

    @property
    def _rounding(self) -> dict[str, Any]:
        """A scale for each number of each head, of which an integer is so many."""
        if self._scales is None:
            return {}
        kind = "PER_CHANNEL"
        return {"k_quant_type": kind, "v_quant_type": kind, "kv_cache_bit_width": 8}

    @property
    def _type(self) -> int:
        if self._scales is not None:
            return TensorProto.INT8
        return helper.np_dtype_to_tensor_dtype(self._graph.dtype)

    def _queries_keys_values(self, number: int, normed: str) -> tuple[str, str, str]:
        """Each [B, S, ...]; all three in the first where one weight makes them."""
        sizes, layer = self._sizes, f"model.layers.{number}.self_attn."
        if sizes.fused:
            width = sizes.query + 2 * sizes.kv
            return self._split(self._projected(f"{layer}qkv_proj", normed, width), width), "", ""
        query = self._projected(f"{layer}q_proj", normed, sizes.query)
        key = self._projected(f"{layer}k_proj", normed, sizes.kv)
        value = self._projected(f"{layer}v_proj", normed, sizes.kv)
        if sizes.qk_norm:
            query = self._head_norm(f"{layer}q_norm", query)
            key = self._head_norm(f"{layer}k_norm", key)
        return (
            self._split(query, sizes.query),
            self._split(key, sizes.kv),
            self._split(value, sizes.kv),
        )

    def _projected(self, name: str, normed: str, width: int) -> str:
        linear = Linear(name, self._sizes.hidden, width, self._sizes.qkv_bias)
        return self._storage.project(self._graph, normed, linear)

    def _head_norm(self, name: str, value: str) -> str:
        """Every head on its own: [B * S * heads, head]."""
        graph, sizes = self._graph, self._sizes
        heads = graph.op("Reshape", value, graph.integers(-1, sizes.head))
        scale = graph.weight(f"{name}.weight", sizes.head)
        return graph.op(
            "SimplifiedLayerNormalization",
            heads,
            scale,
            axis=-1,
            epsilon=sizes.epsilon,
            stash_type=1,
        )

    def _split(self, value: str, width: int) -> str:
        """[B, S, width]."""
        graph = self._graph
        shape = graph.op("Concat", self._shape, graph.integers(width), axis=0)
        return graph.op("Reshape", value, shape, allowzero=1)
