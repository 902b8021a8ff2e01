"""What becomes of the last hidden states, by the class that a checkpoint was saved from."""

from collections.abc import Callable

from shoal_serving.artifacts.convert.encoder.encoder import Encoder
from shoal_serving.artifacts.convert.graph import BATCH, SEQUENCE

Head = Callable[[Encoder], None]


def hidden_states(encoder: Encoder) -> None:
    """No head: `last_hidden_state` [batch, sequence, hidden]."""
    graph, size = encoder.graph, encoder.sizes.hidden
    shape = graph.op("Concat", encoder.shape, graph.integers(size), axis=0)
    states = graph.op("Reshape", encoder.every_token(), shape, allowzero=1)
    graph.output("last_hidden_state", states, BATCH, SEQUENCE, size)


def classification(encoder: Encoder) -> None:
    """One number per label, or one alone for a regression: `logits` [batch, labels]."""
    graph, labels = encoder.graph, encoder.config.labels
    first = encoder.first_token()
    logits = encoder.family.classify(graph, first, encoder.prefix, encoder.sizes.hidden, labels)
    graph.output("logits", logits, BATCH, labels)


def question_answering(encoder: Encoder) -> None:
    """Where a span begins and ends: `start_logits` and `end_logits` [batch, sequence]."""
    graph = encoder.graph
    both = graph.linear(encoder.every_token(), "qa_outputs", encoder.sizes.hidden, 2)
    for column, name in enumerate(("start_logits", "end_logits")):
        logits = graph.op("Gather", both, graph.integer(column), axis=1)
        logits = graph.op("Reshape", logits, encoder.shape, allowzero=1)
        graph.output(name, logits, BATCH, SEQUENCE)
