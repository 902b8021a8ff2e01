"""A sequence, with all that is needed to write it to somebody who reads it."""

from asyncio import AbstractEventLoop
from typing import Protocol

from shoal.errors import RequestError
from shoal_serving.generate.request import Delta, Generation, TokenLogprob
from shoal_serving.generate.sampling.state import SamplingState
from shoal_serving.generate.sequence import Sequence
from shoal_serving.generate.speculation import Lookup
from shoal_serving.generate.writer import Writer


class Reader(Protocol):
    """Who gets the deltas; called on the event loop that the job names, or in the engine's thread
    if it names none.
    """

    cached_tokens: int

    def push(self, delta: Delta) -> None: ...

    def fail(self, error: RequestError) -> None: ...


class Job(Sequence):
    """Owned by the engine's thread once it is submitted. Times are time.monotonic's."""

    __slots__ = (
        "adapter",
        "arrived",
        "ended",
        "generation",
        "last",
        "lookup",
        "loop",
        "prompt_logprobs",
        "reader",
        "state",
        "variant",
        "writer",
    )

    def __init__(
        self,
        number: int,
        generation: Generation,
        limit: int,
        most: int | None,
        state: SamplingState,
        writer: Writer,
        reader: Reader,
        loop: AbstractEventLoop | None,
        arrived: float,
        adapter: int = 0,
        variant: str = "",
    ) -> None:
        """`adapter` is its id in the stacks; `variant` tells its keys and values from others'."""
        super().__init__(number, generation.prompt, limit, generation.priority, most)
        self.generation = generation
        self.state = state
        self.writer = writer
        self.reader = reader
        self.loop = loop
        self.arrived = arrived
        self.last = arrived
        self.adapter = adapter
        self.variant = variant
        self.ended = False
        self.lookup = Lookup()
        self.prompt_logprobs: list[TokenLogprob | None] = [None]
