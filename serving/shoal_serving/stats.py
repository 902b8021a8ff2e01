"""What one model did since it was loaded; the numbers behind statistics, metrics and the ledger."""

import time
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, field

SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
ROWS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024)
SIZES = 4096


@dataclass(slots=True)
class Sum:
    """How often something happened, and how much it was in all."""

    count: int = 0
    total: float = 0.0

    def add(self, value: float, times: int = 1) -> None:
        """What took `value` in all happened `times` times."""
        self.count += times
        self.total += value


class Histogram:
    """Counts per bucket (not cumulative), their sum and their number.

    Kept here and exported in bulk, because Ray's own metrics cost more per observation than a small
    request does.
    """

    __slots__ = ("bounds", "buckets", "count", "total")

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self.bounds = bounds
        self.buckets = [0] * (len(bounds) + 1)
        self.count = 0
        self.total = 0.0

    def observe(self, value: float) -> None:
        self.buckets[bisect_left(self.bounds, value)] += 1
        self.count += 1
        self.total += value


@dataclass(slots=True)
class Statistics:
    """Counters only ever grow; times are in seconds, sizes in rows or bytes."""

    outcomes: dict[str, int] = field(default_factory=dict)
    latency: Histogram = field(default_factory=lambda: Histogram(SECONDS))
    queue: Histogram = field(default_factory=lambda: Histogram(SECONDS))
    compute: Histogram = field(default_factory=lambda: Histogram(SECONDS))
    rows: Histogram = field(default_factory=lambda: Histogram(ROWS))
    waits: Sum = field(default_factory=Sum)
    """How long feeds waited, each for itself; `queue` has the oldest of each batch."""
    runs: Sum = field(default_factory=Sum)
    """How long feeds were run, each as long as its batch."""
    batches: dict[int, Sum] = field(default_factory=dict)
    """How long batches ran, by their rows; of the first `SIZES` sizes that came."""
    bytes_in: int = 0
    bytes_out: int = 0
    last_inference: float = 0.0

    def ran(self, rows: int, waits: Sequence[float], ran: float) -> None:
        """A batch ran: its rows, how long each feed had waited, the oldest first, and how long it
        took.
        """
        self.rows.observe(rows)
        self.queue.observe(waits[0])
        self.waits.add(sum(waits), len(waits))
        self.runs.add(ran * len(waits), len(waits))
        self.compute.observe(ran)
        self.last_inference = time.time()
        batches = self.batches.get(rows)
        if batches is None:
            if len(self.batches) >= SIZES:
                return
            batches = self.batches[rows] = Sum()
        batches.add(ran)

    def answered(self, outcome: str, seconds: float, bytes_in: int, bytes_out: int) -> None:
        """A request ended: `ok`, or the name of the error."""
        self.bytes_in += bytes_in
        self.bytes_out += bytes_out
        self.outcomes[outcome] = self.outcomes.get(outcome, 0) + 1
        self.latency.observe(seconds)

    @property
    def served(self) -> int:
        return self.outcomes.get("ok", 0)

    @property
    def failed(self) -> int:
        return sum(count for outcome, count in self.outcomes.items() if outcome != "ok")
