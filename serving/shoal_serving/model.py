"""What a replica holds: a loaded model of whichever kind, as those around it know it.

A model answers queries; where its files came from and who replaces it is not its concern. There are
two kinds: one run answers a query (`BatchedModel`), or an answer grows token by token
(`generate.GenerativeModel`).
"""

import asyncio
import contextlib
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Any

from shoal.api.ledger import Bytes, GenerationFacts
from shoal.api.runtime import ModelRevision
from shoal.api.tensors import TensorSpec
from shoal_serving.measure import give_back_memory
from shoal_serving.proof import Proof
from shoal_serving.stats import Statistics
from shoal_serving.tasks import Wire


class LoadedModel(ABC):
    """Answers queries until it is closed. Lives on one event loop, but for `prove` and `close`."""

    task: Wire[Any, Any]

    def __init__(
        self,
        name: str,
        revision: str,
        digest: str,
        config: ModelRevision,
        inputs: tuple[TensorSpec, ...],
        outputs: tuple[TensorSpec, ...],
        proof: Proof,
    ) -> None:
        """`inputs` and `outputs` are what an Open Inference Protocol client sends and gets."""
        self.name = name
        self.revision = revision
        self.digest = digest
        self.config = config
        self.inputs = inputs
        self.outputs = outputs
        self.proof = proof
        self.bytes = Bytes()
        self.loaded = time.time()
        self.statistics = Statistics()
        self._in_flight = 0
        self._drained = asyncio.Event()

    @property
    @abstractmethod
    def queued(self) -> int:
        """How many wait for their turn."""

    @property
    @abstractmethod
    def batches(self) -> bool:
        """Whether several requests may run together."""

    @property
    @abstractmethod
    def max_batch_size(self) -> int:
        """The most that runs together; 1 where nothing does."""

    @abstractmethod
    def prove(self) -> None:
        """Answer the proof now, on the calling thread and past the queue.

        Raises:
            ProofFailed: it could not be computed, or is not what the sample expects.
        """

    @property
    def precision(self) -> str | None:
        """What the weights are kept in, where that is known."""
        return None

    @property
    def generation(self) -> GenerationFacts | None:
        """What it has room for, if it generates text."""
        return None

    @property
    def adapter_digests(self) -> dict[str, str]:
        """The digest of each adapter's bytes, by name."""
        return {}

    def tune(self, config: ModelRevision) -> None:
        """Take over limits that need no reload."""
        self.config = config

    @contextlib.contextmanager
    def taken(self) -> Iterator[None]:
        """Something that `drain` waits for is going on inside."""
        self._enter()
        try:
            yield
        finally:
            self._leave()

    def _enter(self) -> None:
        """Something begins that `drain` waits for, until `_leave`."""
        self._in_flight += 1

    def _leave(self) -> None:
        self._in_flight -= 1
        if not self._in_flight:
            self._drained.set()

    async def drain(self) -> None:
        """Wait until everything that was taken is answered. Nothing new must be sent."""
        while self._in_flight:
            self._drained.clear()
            await self._drained.wait()

    def close(self) -> None:
        """Give back the session and its memory."""
        self.bytes = Bytes()
        give_back_memory()
