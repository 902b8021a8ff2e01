"""A decoder's graph in a session, and what it takes to run it.

Two interfaces are known (artifacts.decoders.Lengths): that of our converter, in which every
sequence of a run has its own past and its own number of new tokens, and logits are computed where
they are wanted; and that of ONNX Runtime GenAI's builder, in which several new tokens of a sequence
run alone, and logits of every new token come out.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from shoal.errors import ModelUnsupported
from shoal_serving.artifacts.decoders import DecoderGraph, Lengths
from shoal_serving.generate.cache import Layout

_DTYPES: dict[str, np.dtype[Any]] = {
    "tensor(float)": np.dtype(np.float32),
    "tensor(float16)": np.dtype(np.float16),
}
_CACHED: dict[str, np.dtype[Any]] = _DTYPES | {"tensor(int8)": np.dtype(np.int8)}
_PAST = "past_key_values."
_KNOWN = {
    "input_ids",
    "position_ids",
    "attention_mask",
    "seqlens_k",
    "total_sequence_length",
    "query_seqlens",
    "logits_indices",
    "adapter_ids",
}
# Logits of every token of a chunk are as large as this, at most, where the graph cannot pick.
_LOGITS_BYTES = 64 * 2**20


@dataclass(frozen=True, slots=True)
class Decoder:
    """`session` and its interface.

    `ragged`: several new tokens of several sequences run together. `picks`: logits only where they
    are wanted. `adapted`: the names of the LoRA inputs. `chunk`: the most new tokens of a sequence.
    """

    session: Any
    layout: Layout
    vocabulary: int
    lengths: Lengths
    ragged: bool
    picks: bool
    positions: bool
    adapted: tuple[str, ...]
    chunk: int | None
    logits: np.dtype[Any]


def read_decoder(session: Any, graph: DecoderGraph) -> Decoder:
    """The interface of a session with that graph.

    Raises:
        ModelUnsupported: it has inputs that nobody here can fill, or lacks some.
    """
    lengths = graph.lengths
    inputs = {node.name: node for node in session.get_inputs()}
    logits = next((node for node in session.get_outputs() if node.name == "logits"), None)
    adapted = tuple(name for name in inputs if name.startswith("lora."))
    unknown = [n for n in inputs if n not in _KNOWN and not n.startswith((_PAST, "lora."))]
    if unknown or lengths not in inputs or logits is None:
        raise _unsupported(unknown or [lengths.value])
    vocabulary = logits.shape[-1]
    if not isinstance(vocabulary, int):
        raise ModelUnsupported(
            "The graph does not say how many columns its logits have.",
            "Export it again with a vocabulary of fixed size.",
        )
    picks = "logits_indices" in inputs
    return Decoder(
        session=session,
        layout=layout_of(inputs, graph.head_size),
        vocabulary=vocabulary,
        lengths=lengths,
        ragged="query_seqlens" in inputs,
        picks=picks,
        positions="position_ids" in inputs,
        adapted=adapted,
        chunk=None if picks else max(1, _LOGITS_BYTES // (4 * vocabulary)),
        logits=_DTYPES[logits.type],
    )


def layout_of(inputs: dict[str, Any], head_size: int | None) -> Layout:
    """The keys and values among a graph's inputs, by name.

    Raises:
        ModelUnsupported: there are none, or the graph does not say how large they are.
    """
    past = list(_in_order(inputs))
    if not past or past[0].type not in _CACHED:
        raise _unsupported([f"{_PAST}0.key of {' or '.join(_CACHED)}"])
    _, heads, _, size = past[0].shape
    size = size if head_size is None else head_size
    if not isinstance(heads, int) or not isinstance(size, int):
        raise _unsupported([f"{_PAST}0.key [batch, heads, past, size] with fixed heads and size"])
    names = tuple(node.name for node in past)
    return Layout(names, heads, size, _CACHED[past[0].type])


def _in_order(inputs: dict[str, Any]) -> Iterator[Any]:
    for layer in range(math.ceil(len(inputs) / 2)):
        for part in ("key", "value"):
            node = inputs.get(f"{_PAST}{layer}.{part}")
            if node is not None:
                yield node


def _unsupported(names: list[str]) -> ModelUnsupported:
    return ModelUnsupported(
        f"The decoder's graph has not the inputs that are expected: {', '.join(names)}.",
        "Serve the checkpoint itself (safetensors), which is converted.",
    )
