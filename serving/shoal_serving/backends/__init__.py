"""Backends: what runs a model's arithmetic.

A backend knows files, tensors and devices. It never knows HTTP, text, queues or Ray; the batcher
decides what to run together, and a backend runs exactly what it is given.
"""

from collections.abc import Sequence
from typing import Protocol

from shoal.api.tensors import TensorSpec
from shoal_serving.tensors import Tensors


class Backend(Protocol):
    """One loaded model. `run` is thread-safe: health checks run beside the queue."""

    @property
    def inputs(self) -> tuple[TensorSpec, ...]:
        """The graph's inputs; a dimension of -1 is dynamic."""

    @property
    def outputs(self) -> tuple[TensorSpec, ...]:
        """The graph's outputs, in the graph's order."""

    @property
    def batches(self) -> bool:
        """Whether rows of several requests may run together: every first dimension is dynamic.

        Whether they then mind each other is seen only when they run.
        """

    def run(self, inputs: Tensors, outputs: Sequence[str] | None = None) -> Tensors:
        """Compute the named outputs, or all of them.

        Raises:
            InvalidRequest: the values cannot be computed with (an index out of range, say).
            InferenceFailed: the backend itself failed.
        """

    def close(self) -> None:
        """Give back memory and devices. Nothing runs after this."""
