"""What picking a sequence's next token depends on, beside the logits."""

import secrets
from collections.abc import Collection, Sequence

import numpy as np
from numpy.typing import NDArray

from shoal_serving.generate.grammar.matcher import Matcher
from shoal_serving.generate.request import Sampling
from shoal_serving.generate.sampling.noise import key_of
from shoal_serving.generate.sampling.penalties import Penalties

# vLLM takes a lower temperature for 0: nothing but the likeliest token would be drawn.
_GREEDY = 1e-5


class SamplingState:
    """One sequence's. `accept` moves it on; nothing else changes it.

    Sampling twice from the same logits without `accept` between gives the same token.
    """

    def __init__(
        self,
        sampling: Sampling,
        prompt: Sequence[int],
        vocabulary: int,
        *,
        matcher: Matcher | None = None,
        end_tokens: Collection[int] = (),
        min_tokens: int = 0,
    ) -> None:
        """`end_tokens` may not be picked before `min_tokens` tokens were generated.

        `sampling` must have been checked. Tokens outside the `vocabulary` are left alone.
        """
        self.sampling = sampling
        self.matcher = matcher
        self.greedy = sampling.temperature < _GREEDY
        self.generated = 0
        self._seed = secrets.randbits(64) if sampling.seed is None else sampling.seed
        self._early = _within(end_tokens, vocabulary)
        self._min_tokens = min_tokens if self._early.size else 0
        bias = {token: value for token, value in sampling.logit_bias.items() if token < vocabulary}
        self._biased = np.array(list(bias), np.intp)
        self._bias = np.array(list(bias.values()), np.float32)
        self._penalties = (
            Penalties(sampling, _within(prompt, vocabulary).tolist()) if _penal(sampling) else None
        )
        self._steady = bool(bias) or self._penalties is not None or matcher is not None

    def accept(self, token: int) -> None:
        """One more token was generated. Never fails: a grammar's failure shows at the next one."""
        self.generated += 1
        if self._penalties is not None:
            self._penalties.count(token)
        if self.matcher is not None:
            self.matcher.accept(token)

    @property
    def finished(self) -> bool:
        """The grammar's text is complete and cannot go on: only an end token may follow."""
        return self.matcher is not None and self.matcher.finished

    @property
    def changes(self) -> bool:
        """Whether the logits are to be changed before a token is picked."""
        return self._steady or self.generated < self._min_tokens

    @property
    def key(self) -> int:
        """Of the noise that the next token is drawn with."""
        return key_of(self._seed, self.generated)

    def change(self, scores: NDArray[np.float32]) -> None:
        """Forbid, bias and penalise, in place, in `scores` [vocabulary] that a grammar allows."""
        if self.generated < self._min_tokens:
            self._forbid_end(scores)
        if self._biased.size:
            scores[self._biased] += self._bias
        if self._penalties is not None:
            self._penalties.apply(scores)

    def _forbid_end(self, scores: NDArray[np.float32]) -> None:
        kept = scores[self._early]
        scores[self._early] = -np.inf
        # A text that is complete by its grammar cannot be made longer.
        if self.matcher is not None and scores.max() == -np.inf:
            scores[self._early] = kept


def _within(tokens: Collection[int], vocabulary: int) -> NDArray[np.intp]:
    unique = np.array(sorted(set(tokens)), np.intp)
    return unique[unique < vocabulary]


def _penal(sampling: Sampling) -> bool:
    return (
        sampling.repetition_penalty != 1
        or sampling.presence_penalty != 0
        or sampling.frequency_penalty != 0
    )
