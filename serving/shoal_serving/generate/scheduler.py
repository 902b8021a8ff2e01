"""Which sequences have a row of the cache, and what each step runs. Pure: no clock, no tensors.

Rows are dense: those that are taken are 0 to n - 1, so that a run is a range of them. A step first
runs a part of the prompts, up to a budget of tokens, and then one token of every sequence that
decodes; so a long prompt is computed beside the others' tokens and never instead of them.
"""

import heapq
from collections.abc import Iterator
from collections.abc import Sequence as Numbers
from dataclasses import dataclass
from itertools import accumulate
from typing import Generic, TypeVar

from shoal_serving.generate.sequence import Sequence

S = TypeVar("S", bound=Sequence)

# Of the tokens that a run computes, those that are not padding, at least.
_LEAST_USE = 0.6


@dataclass(frozen=True, slots=True)
class Run:
    """The rows from `first` on, and how many new tokens of each; a row with 0 idles."""

    first: int
    counts: tuple[int, ...]

    @property
    def width(self) -> int:
        return max(self.counts)


class Scheduler(Generic[S]):
    """Gives rows to sequences, first come, first served within a priority.

    A sequence keeps its row until it is removed: nothing that runs is ever taken back.
    """

    def __init__(self, rows: int, ragged: bool = True) -> None:
        """`ragged`: several new tokens of several rows can run at once."""
        self.rows = rows
        self.running: list[S] = []
        self._waiting: list[tuple[tuple[int, int], S]] = []
        self._ragged = ragged

    @property
    def waiting(self) -> Iterator[S]:
        """Those without a row, in no order."""
        return (sequence for _, sequence in self._waiting)

    @property
    def queued(self) -> int:
        """How many are without a row."""
        return len(self._waiting)

    @property
    def busy(self) -> bool:
        return bool(self.running or self._waiting)

    def add(self, sequence: S) -> None:
        heapq.heappush(self._waiting, (sequence.rank, sequence))

    def admit(self) -> list[S]:
        """Give the free rows to those that wait longest."""
        admitted = []
        while self._waiting and len(self.running) < self.rows:
            _, sequence = heapq.heappop(self._waiting)
            sequence.row = len(self.running)
            self.running.append(sequence)
            admitted.append(sequence)
        return admitted

    def remove(self, sequence: S) -> tuple[S, int] | None:
        """Forget a sequence. Where that leaves a hole, the last row's sequence moves into it: it is
        returned with the row that it left.
        """
        if sequence.row is None:
            self._waiting = [entry for entry in self._waiting if entry[1] is not sequence]
            heapq.heapify(self._waiting)
            return None
        row, sequence.row = sequence.row, None
        last = self.running.pop()
        if last is sequence:
            return None
        left, last.row = len(self.running), row
        self.running[row] = last
        return last, left

    def plan(self, budget: int) -> list[Run]:
        """This step's runs: prompts for at most `budget` tokens with their padding (but one at
        least), then what decodes.
        """
        decoding = [row for row, sequence in enumerate(self.running) if sequence.pending == 1]
        return [*self._prefill(budget), *self._decode(decoding)]

    def _decode(self, rows: list[int]) -> Iterator[Run]:
        if rows:
            first, taken = rows[0], set(rows)
            yield Run(first, tuple(int(row in taken) for row in range(first, rows[-1] + 1)))

    def _prefill(self, budget: int) -> Iterator[Run]:
        waiting = {row for row, s in enumerate(self.running) if s.pending > 1 and not s.held}
        budget = max(1, budget)
        while waiting and budget > 0:
            first = min(waiting, key=lambda row: self.running[row].rank)
            together = self._neighbours(first, waiting) if self._ragged else [first]
            counts = self._shared(together, budget)
            yield Run(first, counts)
            waiting.difference_update(range(first, first + len(counts)))
            budget -= len(counts) * max(counts)

    def _shared(self, rows: list[int], budget: int) -> tuple[int, ...]:
        room = (self.running[row].limit - self.running[row].computed for row in rows)
        return _counts([self._wanted(row) for row in rows], list(accumulate(room, min)), budget)

    def _wanted(self, row: int) -> int:
        sequence = self.running[row]
        return min(sequence.pending, sequence.most or sequence.pending)

    def _neighbours(self, first: int, waiting: set[int]) -> list[int]:
        """Those behind the first one that can share its run. Who limits its chunks runs alone."""
        row = first
        while row in waiting and (row == first or self.running[row].most is None):
            row += 1
        return [first] if self.running[first].most is not None else list(range(first, row))


def _counts(wanted: Numbers[int], widest: Numbers[int], budget: int) -> tuple[int, ...]:
    """How many tokens of the first row and of as many behind it as are worth running with it.

    The first one gets as much as it would alone. A row takes the padding too, so a run of the first
    n rows is no wider than `widest[n - 1]`.
    """
    best: tuple[int, ...] = (min(wanted[0], budget),)
    for rows in range(2, len(wanted) + 1):
        width = min(max(wanted[:rows]), budget // rows, widest[rows - 1])
        if width < best[0]:
            break
        counts = tuple(min(count, width) for count in wanted[:rows])
        if sum(counts) >= _LEAST_USE * rows * width and sum(counts) > sum(best):
            best = counts
    return best
