"""Drafts for a sequence that runs alone: what followed the last time that its newest tokens stood
in its own text (prompt lookup decoding, Saxena 2023; vLLM's `ngram` method).

The model then computes the draft in one run, as cheap as one token while it waits for memory, and
keeps what it would have generated anyway.
"""

from collections.abc import Sequence

NGRAM = 3
DRAFT = 6
_WEIGHT = 0.1
# How many drafts are let go, where drafts do not pay, before one is tried again.
_REST = 32


class Lookup:
    """The places of every n-gram of one sequence, as it grows."""

    def __init__(self) -> None:
        self._behind: dict[tuple[int, ...], int] = {}
        self._indexed = 0

    def draft(self, tokens: Sequence[int], most: int) -> list[int]:
        """At most `most` tokens that may come next; none if the last ones are new."""
        for end in range(max(self._indexed, NGRAM), len(tokens)):
            self._behind[tuple(tokens[end - NGRAM : end])] = end
        self._indexed = max(self._indexed, len(tokens))
        start = self._behind.get(tuple(tokens[-NGRAM:]))
        return [] if start is None else list(tokens[start : start + most])


class Speculator:
    """Learns whether drafts pay: tokens per second with them, and without. Durations in seconds."""

    def __init__(self) -> None:
        self._plain: float | None = None
        self._drafted: float | None = None
        self._tokens = 1.0
        self._rest = 0

    def worthwhile(self) -> bool:
        if self._plain is None:
            return False
        if self._drafted is None or self._tokens * self._plain >= self._drafted:
            return True
        self._rest = (self._rest + 1) % _REST
        return not self._rest

    def plain(self, seconds: float) -> None:
        """A step with one token took so long."""
        self._plain = _moved(self._plain, seconds)

    def drafted(self, tokens: int, seconds: float) -> None:
        """A step with a draft took so long and gave so many tokens."""
        self._drafted = _moved(self._drafted, seconds)
        self._tokens = _moved(self._tokens, tokens)


def _moved(average: float | None, value: float) -> float:
    return value if average is None else average + _WEIGHT * (value - average)
