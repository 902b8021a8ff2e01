"""The decoder that the Llama family shares: embeddings, layers of attention and gates, logits.

The model is that of Touvron et al. 2023 (https://arxiv.org/abs/2302.13971) with grouped queries
(https://arxiv.org/abs/2305.13245); names and details are those of transformers.

Hidden states are one matrix, [B * S, hidden]: a linear layer is one Gemm on the weight as it is
stored, which ONNX Runtime packs when it loads, and runs as fast as its MatMul. Attention, which
knows sequences, sees [B, S, ...]. The last layer computes what lies behind its attention, and the
head its logits, only for the tokens that logits are wanted for.
"""

from collections.abc import Collection

from onnx import TensorProto, helper

from shoal_serving.artifacts.convert.decoder.attention import Attention
from shoal_serving.artifacts.convert.decoder.lora import Adapted
from shoal_serving.artifacts.convert.decoder.scales import CacheScales
from shoal_serving.artifacts.convert.decoder.sizes import Sizes
from shoal_serving.artifacts.convert.decoder.storage import Linear, Storage
from shoal_serving.artifacts.convert.graph import MICROSOFT, Graph

_EMBEDDINGS = "model.embed_tokens"


class Decoder:
    """A decoder in a graph; adapters may change the projections that `lora` names.

    With `scales`, keys and values are kept as int8. `ragged`: several new tokens of several
    sequences run together.
    """

    def __init__(
        self,
        graph: Graph,
        sizes: Sizes,
        storage: Storage,
        lora: Collection[str] = (),
        scales: CacheScales | None = None,
        ragged: bool = True,
    ) -> None:
        self._graph = graph
        self._sizes = sizes
        self._ids = graph.input("input_ids")
        self._storage = Adapted(storage, graph, self._ids, lora)
        self._attention = Attention(graph, sizes, self._storage, self._ids, scales, ragged)
        self._rows = graph.input("logits_indices", shape=["logits"])

    def build(self) -> None:
        """From `input_ids` to `logits`."""
        graph, sizes = self._graph, self._sizes
        ids = graph.op("Reshape", self._ids, graph.integers(-1))
        words = Linear(_EMBEDDINGS, sizes.hidden, sizes.vocabulary)
        hidden, change = self._storage.embed(graph, ids, words), None
        for number in range(sizes.layers):
            hidden, change = self._layer(number, hidden, change)
        normed, _ = self._norm("model.norm", hidden, change)
        head = words if sizes.tied else Linear("lm_head", sizes.hidden, sizes.vocabulary)
        logits = self._storage.score(graph, normed, head)
        if helper.np_dtype_to_tensor_dtype(graph.dtype) != TensorProto.FLOAT:
            logits = graph.op("Cast", logits, to=TensorProto.FLOAT)
        graph.output("logits", logits, "logits", sizes.vocabulary)

    def _layer(self, number: int, hidden: str, change: str | None) -> tuple[str, str]:
        """The hidden states that a layer leaves, and what is still to be added to them."""
        graph, layer = self._graph, f"model.layers.{number}."
        normed, hidden = self._norm(f"{layer}input_layernorm", hidden, change)
        mixed = self._attention.mix(number, normed)
        if number == self._sizes.layers - 1:
            mixed = graph.op("Gather", mixed, self._rows)
            hidden = graph.op("Gather", hidden, self._rows)
            self._storage.keep(self._rows)
        change = self._attention.project(number, mixed)
        normed, hidden = self._norm(f"{layer}post_attention_layernorm", hidden, change)
        return hidden, self._gated(f"{layer}mlp.", normed)

    def _gated(self, layer: str, normed: str) -> str:
        """SwiGLU (Shazeer 2020, https://arxiv.org/abs/2002.05202)."""
        graph, inner = self._graph, self._sizes.intermediate
        gate, up = self._gate_and_up(layer, normed)
        # x * sigmoid(x): the name is for another alpha.
        gate = graph.op("QuickGelu", gate, domain=MICROSOFT, alpha=1.0)
        down = Linear(f"{layer}down_proj", inner, self._sizes.hidden, self._sizes.mlp_bias)
        return self._storage.project(graph, graph.op("Mul", gate, up), down)

    def _gate_and_up(self, layer: str, normed: str) -> tuple[str, str]:
        graph, sizes = self._graph, self._sizes
        if sizes.fused:
            fused = Linear(f"{layer}gate_up_proj", sizes.hidden, 2 * sizes.intermediate)
            both = self._storage.project(graph, normed, fused)
            gate, up = f"{layer}gate", f"{layer}up"
            graph.node("Split", [both], [gate, up], axis=-1, num_outputs=2)
            return gate, up
        gate, up = (
            self._storage.project(
                graph,
                normed,
                Linear(f"{layer}{name}", sizes.hidden, sizes.intermediate, sizes.mlp_bias),
            )
            for name in ("gate_proj", "up_proj")
        )
        return gate, up

    def _norm(self, name: str, hidden: str, change: str | None) -> tuple[str, str]:
        """The root mean square norm of hidden states with their change, and their sum."""
        graph, epsilon = self._graph, self._sizes.epsilon
        scale = graph.weight(f"{name}.weight", self._sizes.hidden)
        if change is None:
            kind = "SimplifiedLayerNormalization"
            return graph.op(kind, hidden, scale, axis=-1, epsilon=epsilon, stash_type=1), hidden
        normed, total = name, f"{name}.sum"
        graph.node(
            "SkipSimplifiedLayerNormalization",
            [hidden, change, scale],
            [normed, "", "", total],
            domain=MICROSOFT,
            epsilon=epsilon,
        )
        return normed, total
