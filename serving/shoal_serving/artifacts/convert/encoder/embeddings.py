"""The bottom of an encoder: words, positions and token types to the first hidden states."""

from shoal_serving.artifacts.convert.config import Config
from shoal_serving.artifacts.convert.encoder.family import Family, Sizes
from shoal_serving.artifacts.convert.graph import Graph

_WORDS = "embeddings.word_embeddings.weight"


def prefix_of(graph: Graph, family: Family) -> str:
    """What the encoder's weights are called before `embeddings.`: nothing, if saved alone."""
    return "" if graph.has_weight(_WORDS) else family.prefix


def embed(graph: Graph, config: Config, family: Family, sizes: Sizes, ids: str) -> str:
    """Token ids [batch, sequence] to hidden states [batch * sequence, hidden]."""
    prefix = prefix_of(graph, family)
    name = f"{prefix}embeddings."
    words = graph.weight(prefix + _WORDS, sizes.vocabulary, sizes.hidden)
    places = graph.weight(f"{name}position_embeddings.weight", sizes.positions, sizes.hidden)
    place = graph.op("Gather", places, family.position_ids(graph, config, ids))
    total = graph.op("Add", graph.op("Gather", words, ids), place)
    if sizes.types:
        table = graph.weight(f"{name}token_type_embeddings.weight", sizes.types, sizes.hidden)
        # A single type needs no input to say so.
        types = graph.input("token_type_ids") if sizes.types > 1 else graph.integer(0)
        total = graph.op("Add", total, graph.op("Gather", table, types))
    flat = graph.op("Reshape", total, graph.integers(-1, sizes.hidden))
    return graph.norm(flat, f"{name}LayerNorm", sizes.hidden, sizes.epsilon)
