"""Picks a token for every row of a step. Called by the engine's thread; nothing here blocks."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shoal.errors import InferenceFailed
from shoal_serving.generate.grammar.masks import Masks
from shoal_serving.generate.request import TokenLogprob
from shoal_serving.generate.sampling.candidates import largest, nucleus
from shoal_serving.generate.sampling.logprobs import NOT_FINITE, logprob_of
from shoal_serving.generate.sampling.noise import Race
from shoal_serving.generate.sampling.state import SamplingState

# exp(-104) is 0 in float32: a token that much below the likeliest is never drawn.
_NEVER = np.float32(104)


@dataclass(slots=True)
class Sampled:
    """The token of a row, or why there is none: then `token` is -1, and the sequence must end."""

    token: int
    logprob: TokenLogprob | None = None
    error: InferenceFailed | None = None


class Sampler:
    """Picks tokens; one is enough for a model. Not for two threads at once: it reuses its buffers.

    What belongs to a sequence is in its `SamplingState`, so a row's token does not depend on the
    other rows.
    """

    def __init__(self, vocabulary: int, threads: int | None = None) -> None:
        """`vocabulary` is the width of the logits. Grammars' masks are filled by `threads`."""
        self._scores = np.empty(vocabulary, np.float32)
        self._scratch = np.empty(vocabulary, np.float32)
        self._race = Race(vocabulary)
        self._masks = Masks(vocabulary, threads)

    def sample(self, logits: NDArray[np.float32], states: Sequence[SamplingState]) -> list[Sampled]:
        """A token for each row of `logits` [rows, vocabulary], which are left as they are.

        The states are not moved on: call `accept` with what was taken. A row that fails does not
        fail the others.
        """
        likeliest = logits.argmax(axis=1).tolist()
        failures = self._masks.fill([state.matcher for state in states])
        # Infinity is what is left of a token that a tiny temperature or a huge penalty puts away.
        with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
            return [
                self._sampled(i, logits[i], likeliest[i], state, failures.get(i))
                for i, state in enumerate(states)
            ]

    def _sampled(
        self,
        row: int,
        logits: NDArray[np.float32],
        likeliest: int,
        state: SamplingState,
        failure: str | None,
    ) -> Sampled:
        # The largest of numbers with a NaN among them is, to numpy, NaN.
        if not math.isfinite(logits[likeliest]):
            return Sampled(-1, error=InferenceFailed(NOT_FINITE))
        if failure is not None:
            return Sampled(-1, error=InferenceFailed(failure))
        scores = logits
        if state.changes:
            scores = self._changed(row, logits, state)
            likeliest = int(scores.argmax())
            if not math.isfinite(scores[likeliest]):
                return Sampled(-1, error=InferenceFailed(_NOTHING_LEFT))
        token = likeliest if state.greedy else self._drawn(scores, scores[likeliest], state)
        return Sampled(token, self._logprob(logits, token, state))

    def _changed(
        self, row: int, logits: NDArray[np.float32], state: SamplingState
    ) -> NDArray[np.float32]:
        if state.matcher is None:
            np.copyto(self._scores, logits)
        else:
            self._masks.apply(row, logits, out=self._scores)
        state.change(self._scores)
        return self._scores

    def _drawn(self, scores: NDArray[np.float32], highest: np.float32, state: SamplingState) -> int:
        sampling = state.sampling
        temperature = np.float32(sampling.temperature)
        tokens = _candidates(scores, highest, temperature, sampling.top_k, sampling.min_p)
        if tokens is None:
            weights = self._weights(scores, highest, temperature)
            if sampling.top_p >= 1:
                return self._race.over_all(weights, state.key)
            tokens = nucleus(weights, sampling.top_p)
            return self._race.among(tokens, weights[tokens].astype(np.float64), state.key)
        few = np.exp((scores[tokens] - highest).astype(np.float64) / temperature)
        if sampling.top_p < 1:
            kept = nucleus(few, sampling.top_p)
            tokens, few = tokens[kept], few[kept]
        return self._race.among(tokens, few, state.key)

    def _weights(
        self, scores: NDArray[np.float32], highest: np.float32, temperature: np.float32
    ) -> NDArray[np.float32]:
        """The softmax's numerators, [vocabulary]; they stay until the next row."""
        weights = self._scratch
        np.subtract(scores, highest, out=weights)
        if temperature != 1:
            np.divide(weights, temperature, out=weights)
        np.exp(weights, out=weights)
        return weights

    def _logprob(
        self, logits: NDArray[np.float32], token: int, state: SamplingState
    ) -> TokenLogprob | None:
        top = state.sampling.logprobs
        return None if top is None else logprob_of(logits, token, top, self._scratch)


def _candidates(
    scores: NDArray[np.float32],
    highest: np.float32,
    temperature: np.float32,
    top_k: int,
    min_p: float,
) -> NDArray[np.intp] | None:
    """The tokens that `top_k` and `min_p` leave, ascending; None for all.

    Both cut one order at a score, so which one is first does not matter. `min_p` is that of
    M. Nguyen et al., Turning Up the Heat (2024): a part of the likeliest token's probability.
    """
    if min_p <= 0 and not 0 < top_k < scores.size:
        return None
    floor = highest - temperature * (np.float32(-np.log(min_p)) if min_p > 0 else _NEVER)
    if not 0 < top_k < scores.size:
        return np.flatnonzero(scores >= floor)
    tokens = largest(scores, top_k)
    return tokens[scores[tokens] >= floor]


_NOTHING_LEFT = (
    "no token can be picked: the grammar, logit_bias and the penalties leave none with a finite "
    "logit; loosen one of them"
)
