"""The encoder that BERT, DistilBERT and RoBERTa share: embeddings, then layers of attention.

The model is that of Devlin et al. 2018 (https://arxiv.org/abs/1810.04805), each layer normalised
after its sum; names and details are those of transformers.

Hidden states are one matrix, [batch * sequence, hidden], so that every linear layer is one Gemm on
the weight as it is stored, with the bias added inside. Standard operators only: on CPU ONNX
Runtime is as fast with them as with its own attention operators, and every execution provider
runs them. (That the number of rows is unknown also keeps ONNX Runtime from fusing sums and norms,
which is slower on CPU.) What a head does not read is not computed: a classifier reads the first
token only.
"""

from dataclasses import dataclass

from onnx import TensorProto

from shoal_serving.artifacts.convert.config import Config
from shoal_serving.artifacts.convert.encoder.activation import activate
from shoal_serving.artifacts.convert.encoder.embeddings import embed, prefix_of
from shoal_serving.artifacts.convert.encoder.family import Family
from shoal_serving.artifacts.convert.graph import Graph

# Added to the scores of masked positions. Their weight after the softmax is exactly 0, and the sum
# stays finite in float16, which it would not with the smallest float32.
_MASKED = -32768.0


@dataclass(frozen=True, slots=True)
class _Rows:
    """Positions of every text: `hidden` [batch * n, hidden], and `shape`, the tensor [batch, n]."""

    hidden: str
    shape: str


class Encoder:
    """An encoder in a graph. A head asks it once, for the hidden states that it reads."""

    def __init__(self, graph: Graph, config: Config, family: Family) -> None:
        self.graph = graph
        self.config = config
        self.family = family
        self.sizes = family.sizes(config)
        self.prefix = prefix_of(graph, family)
        self._ids = graph.input("input_ids")
        self._bias = _mask_bias(graph, graph.input("attention_mask"))
        self.shape = graph.op("Shape", self._ids)

    def every_token(self) -> str:
        """The last hidden states, [batch * sequence, hidden]."""
        context = self._below()
        return self._layer(self.sizes.layers - 1, context, context).hidden

    def first_token(self) -> str:
        """The last hidden state of each text's first token, [batch, hidden]."""
        context = self._below()
        return self._layer(self.sizes.layers - 1, self._first(context), context).hidden

    def _below(self) -> _Rows:
        """Everything below the last layer, for every position."""
        hidden = embed(self.graph, self.config, self.family, self.sizes, self._ids)
        rows = _Rows(hidden, self.shape)
        for number in range(self.sizes.layers - 1):
            rows = self._layer(number, rows, rows)
        return rows

    def _first(self, rows: _Rows) -> _Rows:
        graph = self.graph
        shape = self._shaped(rows, self.sizes.hidden)
        hidden = graph.op("Reshape", rows.hidden, shape, allowzero=1)
        first = graph.op("Gather", hidden, graph.integer(0), axis=1)
        batch = graph.op("Gather", rows.shape, graph.integers(0))
        return _Rows(first, graph.op("Concat", batch, graph.integers(1), axis=0))

    def _layer(self, number: int, rows: _Rows, context: _Rows) -> _Rows:
        """One layer for `rows`, which attend to `context`."""
        graph, sizes, names = self.graph, self.sizes, self.family.layer
        layer = f"{self.prefix}{self.family.layers}.{number}."
        mixed = self._attention(layer, rows, context)
        mixed = graph.linear(mixed, layer + names.attention_output, sizes.hidden, sizes.hidden)
        mixed = self._add_norm(mixed, rows.hidden, layer + names.attention_norm)
        inner = graph.linear(mixed, layer + names.intermediate, sizes.hidden, sizes.intermediate)
        inner = activate(graph, inner, sizes.activation)
        outer = graph.linear(inner, layer + names.output, sizes.intermediate, sizes.hidden)
        return _Rows(self._add_norm(outer, mixed, layer + names.output_norm), rows.shape)

    def _attention(self, layer: str, rows: _Rows, context: _Rows) -> str:
        graph, sizes, names = self.graph, self.sizes, self.family.layer
        query = self._heads(rows, layer + names.query)
        # Turned in two steps: ONNX Runtime makes the second a part of the product.
        key = graph.op("Transpose", self._heads(context, layer + names.key), perm=[0, 1, 3, 2])
        scale = graph.number((sizes.hidden // sizes.heads) ** -0.5)
        scores = graph.op("Mul", graph.op("MatMul", query, key), scale)
        weights = graph.op("Softmax", graph.op("Add", scores, self._bias), axis=-1)
        mixed = graph.op("MatMul", weights, self._heads(context, layer + names.value))
        mixed = graph.op("Transpose", mixed, perm=[0, 2, 1, 3])
        return graph.op("Reshape", mixed, graph.integers(-1, sizes.hidden))

    def _heads(self, rows: _Rows, name: str) -> str:
        """The projection `name`, split to [batch, heads, n, hidden / heads]."""
        hidden, heads = self.sizes.hidden, self.sizes.heads
        projected = self.graph.linear(rows.hidden, name, hidden, hidden)
        shape = self._shaped(rows, heads, hidden // heads)
        split = self.graph.op("Reshape", projected, shape, allowzero=1)
        return self.graph.op("Transpose", split, perm=[0, 2, 1, 3])

    def _add_norm(self, value: str, residual: str, name: str) -> str:
        total = self.graph.op("Add", value, residual)
        return self.graph.norm(total, name, self.sizes.hidden, self.sizes.epsilon)

    def _shaped(self, rows: _Rows, *more: int) -> str:
        """The shape of `rows`, followed by further dimensions."""
        return self.graph.op("Concat", rows.shape, self.graph.integers(*more), axis=0)


def _mask_bias(graph: Graph, mask: str) -> str:
    """What to add to scores [batch, heads, query, key], as [batch, 1, 1, key]."""
    attended = graph.op("Cast", mask, to=TensorProto.BOOL)
    attended = graph.op("Unsqueeze", attended, graph.integers(1, 2))
    return graph.op("Where", attended, graph.number(0.0), graph.number(_MASKED))
