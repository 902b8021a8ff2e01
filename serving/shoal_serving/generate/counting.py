"""What an engine did; the numbers behind its metrics.

Written by the engine's thread and read by others, which see numbers that only ever grow.
"""

from dataclasses import dataclass, field

from shoal_serving.stats import Histogram

# vLLM's buckets, in seconds: of the first token and of each one after it.
FIRST_TOKEN = (0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10)
EACH_TOKEN = (
    0.001,
    0.0025,
    0.005,
    0.01,
    0.025,
    0.05,
    0.075,
    0.1,
    0.15,
    0.2,
    0.3,
    0.4,
    0.5,
    0.75,
    1,
)
QUEUE = (0.001, 0.01, 0.1, 0.3, 0.5, 0.8, 1, 1.5, 2, 2.5, 5, 10, 15, 20, 30, 40, 50, 60)


@dataclass(slots=True)
class Counts:
    """Of one adapter, or of the model itself: tokens, times in seconds, and how sequences ended."""

    prompt: int = 0
    cached: int = 0
    generated: int = 0
    finished: dict[str, int] = field(default_factory=dict)
    queue: Histogram = field(default_factory=lambda: Histogram(QUEUE))
    first_token: Histogram = field(default_factory=lambda: Histogram(FIRST_TOKEN))
    each_token: Histogram = field(default_factory=lambda: Histogram(EACH_TOKEN))


@dataclass(slots=True)
class EngineStatistics:
    """`counts` are by adapter; "" is the model itself."""

    counts: dict[str, Counts] = field(default_factory=dict)
    running: int = 0
    waiting: int = 0
    steps: int = 0
    drafted: int = 0
    accepted: int = 0

    def of(self, adapter: str | None) -> Counts:
        counts = self.counts.get(adapter or "")
        if counts is None:
            counts = self.counts[adapter or ""] = Counts()
        return counts
