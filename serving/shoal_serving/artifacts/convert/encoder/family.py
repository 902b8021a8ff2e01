"""What sets a family of encoders apart: sizes, names of weights, positions and classifier."""

from collections.abc import Callable
from dataclasses import dataclass

from shoal.errors import ModelLoadFailed
from shoal_serving.artifacts.convert.config import Config
from shoal_serving.artifacts.convert.graph import Graph


@dataclass(frozen=True, slots=True)
class Sizes:
    """The numbers of an encoder, in one vocabulary for all families."""

    vocabulary: int
    positions: int
    types: int
    hidden: int
    layers: int
    heads: int
    intermediate: int
    epsilon: float
    activation: str

    def __post_init__(self) -> None:
        if self.hidden % self.heads:
            raise ModelLoadFailed(
                f"config.json: {self.heads} attention heads do not divide a hidden size of "
                f"{self.hidden}.",
                "Put the config.json and the weights of one checkpoint together.",
            )


@dataclass(frozen=True, slots=True)
class LayerNames:
    """How the weights of layer 3 are called: what follows `encoder.layer.3.`."""

    query: str
    key: str
    value: str
    attention_output: str
    attention_norm: str
    intermediate: str
    output: str
    output_norm: str


@dataclass(frozen=True, slots=True)
class Family:
    """One family of encoders.

    `position_ids(graph, config, ids)` is the rows of the position table, [sequence] or
    [batch, sequence]. `classify(graph, first, prefix, hidden, labels)` turns the hidden state of
    the first token, [batch, hidden], into logits [batch, labels].
    """

    prefix: str
    layers: str
    layer: LayerNames
    sizes: Callable[[Config], Sizes]
    position_ids: Callable[[Graph, Config, str], str]
    classify: Callable[[Graph, str, str, int, int], str]
