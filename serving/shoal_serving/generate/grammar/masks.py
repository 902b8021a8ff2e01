"""Which tokens the grammars of a step's rows allow, as bits, and what that does to logits."""

from collections.abc import Sequence

import numpy as np
from llguidance import LLExecutor
from llguidance.numpy import fill_next_token_bitmask_par
from numpy.typing import NDArray

from shoal_serving.generate.grammar.matcher import Matcher


class Masks:
    """The masks of a step, in buffers that are used again."""

    def __init__(self, vocabulary: int, threads: int | None = None) -> None:
        """For logits of `vocabulary` tokens. `threads` fill masks; None: most of the cores."""
        self._vocabulary = vocabulary
        self._threads = threads
        self._executor: LLExecutor | None = None
        self._bits = np.zeros((0, 0), np.int32)
        # For each byte of a mask what is added to the logits of its eight tokens.
        bytes_ = np.arange(256, dtype=np.uint8)[:, None]
        allowed = np.unpackbits(bytes_, axis=1, bitorder="little").astype(bool)
        self._addends = np.where(allowed, np.float32(0), np.float32(-np.inf))
        self._added = np.empty((-(-vocabulary // 8), 8), np.float32)

    def fill(self, matchers: Sequence[Matcher | None]) -> dict[int, str]:
        """Compute the masks of all rows that have a matcher, which are of one model.

        Returns the rows that failed, and why.
        """
        rows = [(row, matcher) for row, matcher in enumerate(matchers) if matcher is not None]
        if not rows:
            return {}
        self._make_room(len(matchers), rows[0][1].vocabulary)
        if self._executor is None:
            self._executor = LLExecutor(self._threads)
        natives = [(matcher.native, row) for row, matcher in rows]
        fill_next_token_bitmask_par(self._executor, natives, self._bits)
        return {row: failure for row, matcher in rows if (failure := matcher.failure) is not None}

    def _make_room(self, rows: int, vocabulary: int) -> None:
        words = -(-vocabulary // 32)  # llguidance takes exactly those of its own vocabulary
        if self._bits.shape[0] < rows or self._bits.shape[1] != words:
            self._bits = np.zeros((rows, words), np.int32)

    def apply(self, row: int, logits: NDArray[np.float32], out: NDArray[np.float32]) -> None:
        """Write `logits` [vocabulary] to `out`, with -inf for what the row's grammar forbids."""
        packed = self._bits[row].view(np.uint8)[: self._added.shape[0]]
        np.take(self._addends, packed, axis=0, out=self._added, mode="clip")
        np.add(logits, self._added.reshape(-1)[: self._vocabulary], out=out)
