"""DistilBERT, as `transformers.models.distilbert` saves it: no token types, no pooler."""

from shoal_serving.artifacts.convert.config import Config
from shoal_serving.artifacts.convert.encoder.bert import position_ids
from shoal_serving.artifacts.convert.encoder.family import Family, LayerNames, Sizes
from shoal_serving.artifacts.convert.graph import Graph


def sizes(config: Config) -> Sizes:
    return Sizes(
        vocabulary=config.integer("vocab_size"),
        positions=config.integer("max_position_embeddings"),
        types=0,
        hidden=config.integer("dim"),
        layers=config.integer("n_layers"),
        heads=config.integer("n_heads"),
        intermediate=config.integer("hidden_dim"),
        epsilon=1e-12,  # fixed in its code
        activation=config.text("activation", "gelu"),
    )


def classify(graph: Graph, first: str, prefix: str, hidden: int, labels: int) -> str:
    pooled = graph.op("Relu", graph.linear(first, "pre_classifier", hidden, hidden))
    return graph.linear(pooled, "classifier", hidden, labels)


LAYER = LayerNames(
    query="attention.q_lin",
    key="attention.k_lin",
    value="attention.v_lin",
    attention_output="attention.out_lin",
    attention_norm="sa_layer_norm",
    intermediate="ffn.lin1",
    output="ffn.lin2",
    output_norm="output_layer_norm",
)

DISTILBERT = Family("distilbert.", "transformer.layer", LAYER, sizes, position_ids, classify)
