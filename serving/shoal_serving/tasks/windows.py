"""A long text read through overlapping windows, and one set of probabilities for all of it.

Were each window a distribution of its own, the best of a window without the answer would look as
good as the answer. So the windows share one softmax: over the tokens of the text, each with the
largest logit that a window gives it, and over what the windows put outside the text (question and
special tokens), which counts once, from the window that puts least there. A span is read within one
window, because where a start of one window meets an end of another, no window saw that answer; and
no window is left out, because a model may find in one what it misses in the next. With one window
that is its softmax over all positions, so scores mean the same however many windows a text takes,
and those of different spans never sum to more than 1.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Windows:
    """Windows of `room` tokens over a text of `length` tokens, each `stride` into its predecessor.

    In a window's row of logits the text begins at `offset`, and `size` positions are not text.
    """

    length: int
    room: int
    stride: int
    offset: int
    size: int

    @property
    def begins(self) -> range:
        """The first token of each window."""
        return range(0, max(self.length - self.stride, 1), self.room - self.stride)

    def log_probabilities(self, rows: Sequence[Floats]) -> tuple[list[Floats], float]:
        """Of each window's tokens of text, FP32 [tokens], and the least of a first position (CLS).

        `rows` are the windows' logits, each [at least its own length]: what pads a row is ignored.
        """
        largest = np.full(self.length, -np.inf, np.float32)
        texts: list[Floats] = []
        outside: list[np.float32] = []
        for begin, row in zip(self.begins, rows, strict=True):
            text, around = self._parted(row.astype(np.float32, copy=False), begin)
            seen = largest[begin : begin + len(text)]
            np.maximum(seen, text, out=seen)
            texts.append(text)
            outside.append(_log_sum(around))
        total = _log_sum(np.append(largest, min(outside)))
        return [text - total for text in texts], float(min(row[0] for row in rows) - total)

    def _parted(self, row: Floats, begin: int) -> tuple[Floats, Floats]:
        """A window's logits of text, and those of what is around it."""
        end = self.offset + min(self.room, self.length - begin)
        around = np.concatenate((row[: self.offset], row[end : end + self.size - self.offset]))
        return row[self.offset : end], around


def _log_sum(logits: Floats) -> np.float32:
    top = logits.max()
    return np.float32(top + np.log(np.exp(logits - top).sum()))
