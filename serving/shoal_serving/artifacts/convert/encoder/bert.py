"""BERT, as `transformers.models.bert` saves it."""

from shoal_serving.artifacts.convert.config import Config
from shoal_serving.artifacts.convert.encoder.family import Family, LayerNames, Sizes
from shoal_serving.artifacts.convert.graph import Graph


def sizes(config: Config) -> Sizes:
    return Sizes(
        vocabulary=config.integer("vocab_size"),
        positions=config.integer("max_position_embeddings"),
        types=config.integer("type_vocab_size", 2),
        hidden=config.integer("hidden_size"),
        layers=config.integer("num_hidden_layers"),
        heads=config.integer("num_attention_heads"),
        intermediate=config.integer("intermediate_size"),
        epsilon=config.fraction("layer_norm_eps", 1e-12),
        activation=config.text("hidden_act", "gelu"),
    )


def position_ids(graph: Graph, config: Config, ids: str) -> str:
    """0, 1, 2, ... for every row alike."""
    length = graph.op("Gather", graph.op("Shape", ids), graph.integer(1))
    return graph.op("Range", graph.integer(0), length, graph.integer(1))


def classify(graph: Graph, first: str, prefix: str, hidden: int, labels: int) -> str:
    pooled = graph.op("Tanh", graph.linear(first, f"{prefix}pooler.dense", hidden, hidden))
    return graph.linear(pooled, "classifier", hidden, labels)


LAYER = LayerNames(
    query="attention.self.query",
    key="attention.self.key",
    value="attention.self.value",
    attention_output="attention.output.dense",
    attention_norm="attention.output.LayerNorm",
    intermediate="intermediate.dense",
    output="output.dense",
    output_norm="output.LayerNorm",
)

BERT = Family("bert.", "encoder.layer", LAYER, sizes, position_ids, classify)
