"""RoBERTa and XLM-RoBERTa, as `transformers.models.roberta` saves them: BERT, but for positions
that count from the padding id on and skip padding, and a classifier with a layer of its own.
"""

from onnx import TensorProto

from shoal_serving.artifacts.convert.config import Config
from shoal_serving.artifacts.convert.encoder import bert
from shoal_serving.artifacts.convert.encoder.family import Family
from shoal_serving.artifacts.convert.graph import Graph


def position_ids(graph: Graph, config: Config, ids: str) -> str:
    """Tokens are at padding id + 1, + 2, ..., in order; padding is at the padding id, anywhere."""
    padding = graph.integer(config.index("pad_token_id", 1))
    token = graph.op("Not", graph.op("Equal", ids, padding))
    token = graph.op("Cast", token, to=TensorProto.INT64)
    count = graph.op("Mul", graph.op("CumSum", token, graph.integer(1)), token)
    return graph.op("Add", count, padding)


def classify(graph: Graph, first: str, prefix: str, hidden: int, labels: int) -> str:
    pooled = graph.op("Tanh", graph.linear(first, "classifier.dense", hidden, hidden))
    return graph.linear(pooled, "classifier.out_proj", hidden, labels)


ROBERTA = Family("roberta.", "encoder.layer", bert.LAYER, bert.sizes, position_ids, classify)
