"""Tasks: what a model means. Text or tensors in, text or tensors out; one file per task.

A task turns a query into feeds (rows to run), and the rows' outputs into an answer; it also says
how both look in the Open Inference Protocol and in Hugging Face's JSON. It never touches sockets,
queues or backends.

    wire ── from_tensors / from_json ──▶ Query ── encode ──▶ Encoded(feeds)
                                                                 │ batcher: collate ▸ run ▸ split
    wire ◀── to_tensors / to_json ───── Answer ◀── decode ───────┘
"""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

from shoal.api.tensors import TensorSpec
from shoal_serving.tensors import Tensors

Query = TypeVar("Query")
Answer = TypeVar("Answer")
_Query = TypeVar("_Query", covariant=True)
_Answer = TypeVar("_Answer", contravariant=True)


@dataclass(slots=True)
class Feed:
    """Rows that run together or not at all: `tensors` have `rows` as their first dimension.

    Feeds of equal `key` may share a batch.
    """

    tensors: Tensors
    rows: int
    key: Hashable


@dataclass(slots=True)
class Encoded(Generic[Query]):
    """A query as feeds, with whatever `decode` needs to read the outputs (offsets, lengths)."""

    query: Query
    feeds: list[Feed]
    context: Any = None


class Wire(Protocol[_Query, _Answer]):
    """How clients write queries and read answers.

    Every method that takes what a client sent raises `InvalidRequest`, naming the tensor or field,
    what came, and what was expected.
    """

    @property
    def inputs(self) -> tuple[TensorSpec, ...]:
        """What an Open Inference Protocol client sends."""

    @property
    def outputs(self) -> tuple[TensorSpec, ...]:
        """What an Open Inference Protocol client gets."""

    def example(self) -> _Query:
        """A query that every such model can answer: the proof that a loaded model works."""

    def from_tensors(self, inputs: Tensors, parameters: Mapping[str, Any]) -> _Query:
        """Read an OIP request: its input tensors and its request parameters."""

    def to_tensors(self, answer: _Answer) -> Tensors:
        """Write an OIP answer: every output of `outputs`."""

    def from_json(self, body: Mapping[str, Any]) -> _Query:
        """Read Hugging Face's shape, `{"inputs": ..., "parameters": {...}}`."""

    def to_json(self, answer: _Answer) -> Any:
        """Write the task's answer in Hugging Face's shape."""


class Task(Wire[Query, Answer], Protocol[Query, Answer]):
    """One way to read a model that answers in one run; see the picture above for the order."""

    def encode(self, query: Query) -> Encoded[Query]:
        """Make the feeds: one for each row that has to run."""

    def collate(self, feeds: Sequence[Feed]) -> Tensors:
        """Join feeds of one key to one batch (padding text to its longest)."""

    def decode(self, encoded: Encoded[Query], rows: Sequence[Tensors]) -> Answer:
        """Read the outputs: one `Tensors` for each feed, in order."""
