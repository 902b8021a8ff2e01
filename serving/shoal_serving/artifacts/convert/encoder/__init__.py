"""The BERT family as one graph: embeddings, layers of attention, and the head of the checkpoint."""

from shoal_serving.artifacts.convert.config import Config
from shoal_serving.artifacts.convert.encoder.architecture import read_architecture
from shoal_serving.artifacts.convert.encoder.encoder import Encoder
from shoal_serving.artifacts.convert.graph import Graph
from shoal_serving.artifacts.convert.weights import Weights

__all__ = ["build_encoder"]


def build_encoder(config: Config, weights: Weights, task: str) -> Graph:
    """The checkpoint's graph, with the outputs that `task` reads.

    It computes in float32. Its inputs are `input_ids`, `attention_mask` and, where the model
    knows more than one token type, `token_type_ids`: INT64 [batch, sequence]. Its outputs are, by
    the checkpoint's head, `logits` [batch, labels]; `start_logits` and `end_logits`
    [batch, sequence]; or `last_hidden_state` [batch, sequence, hidden]. A masked position
    influences no other.
    """
    architecture = read_architecture(config, task)
    graph = Graph(architecture.name, weights)
    architecture.head(Encoder(graph, config, architecture.family))
    return graph
