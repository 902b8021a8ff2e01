"""Penalties for tokens that were there before."""

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from shoal_serving.generate.request import Sampling


class Penalties:
    """Which tokens one sequence has had, and how often it generated them.

    The repetition penalty is that of N. S. Keskar et al., CTRL (2019), as Hugging Face applies it:
    a positive logit is divided by it and a negative one multiplied, once, for the prompt's tokens
    too. The other two are OpenAI's: `frequency` for each time that a token was generated, and
    `presence` once.
    """

    def __init__(self, sampling: Sampling, prompt: Iterable[int]) -> None:
        self._repetition = np.float32(sampling.repetition_penalty)
        self._presence = np.float32(sampling.presence_penalty)
        self._frequency = np.float32(sampling.frequency_penalty)
        # The prompt matters to the repetition penalty only.
        seen = sorted(set(prompt)) if self._repetition != 1 else []
        self._index = {token: i for i, token in enumerate(seen)}
        self._tokens = np.array(seen, np.intp)
        self._counts = np.zeros(len(seen), np.float32)

    def count(self, token: int) -> None:
        """One more that was generated."""
        index = self._index.setdefault(token, len(self._index))
        if index == self._tokens.size:
            self._grow()
        self._tokens[index] = token
        self._counts[index] += 1

    def _grow(self) -> None:
        more = max(64, self._tokens.size)
        self._tokens = np.append(self._tokens, np.zeros(more, np.intp))
        self._counts = np.append(self._counts, np.zeros(more, np.float32))

    def apply(self, scores: NDArray[np.float32]) -> None:
        """Change `scores` [vocabulary] in place."""
        tokens, counts = self._tokens[: len(self._index)], self._counts[: len(self._index)]
        found = scores[tokens]
        if self._repetition != 1:
            found = np.where(found > 0, found / self._repetition, found * self._repetition)
        found -= self._frequency * counts
        found -= self._presence * (counts > 0)
        scores[tokens] = found
