"""Random numbers that are a function of a seed, the place of a token, and the token itself.

A token is drawn by a race: each takes a time that is exponential with a rate of its weight, and the
first wins, with just the probability of its share of the weights. (It is the Gumbel-max trick
without the logarithm.) Against drawing from a cumulative sum this has two merits. A token's noise
does not depend on the other tokens, so that logits which differ by a rounding, as they do between
batches and machines, change the winner with a probability of that size, whatever the size of the
vocabulary; so does a token more or less in `top_p`. And there is no state to be kept: what is drawn
at a place does not depend on how often, or in which batch, it was drawn before.

The numbers are SplitMix64's (G. Steele, D. Lea, C. Flood: Fast Splittable Pseudorandom Number
Generators, 2014): the token's number is the place in the stream, seed and place give its start.
"""

import numpy as np
from numpy.typing import NDArray

Float = np.float32 | np.float64

_STEP, _FIRST, _SECOND = 0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB
_MASK = (1 << 64) - 1
# Weights of more tokens than this are raced in two heats, each of about a thousand runners.
_ONE_HEAT, _BLOCK = 4096, 1024


class Race:
    """Draws from weights over a vocabulary. Holds tables only."""

    def __init__(self, vocabulary: int) -> None:
        self._steps = np.arange(vocabulary, dtype=np.uint64) * np.uint64(_STEP)

    def among(self, tokens: NDArray[np.intp], weights: NDArray[np.float64], key: int) -> int:
        """One of `tokens` [n], by `weights` [n], of which one must be above 0."""
        return int(tokens[(weights / _exponentials(self._steps[tokens], key)).argmax()])

    def over_all(self, weights: NDArray[np.float32], key: int) -> int:
        """A token of the whole vocabulary, by `weights` [vocabulary]."""
        if weights.size <= _ONE_HEAT:
            return self._heat(weights, key)
        block = self._heat(_sums(weights), mixed(key)) * _BLOCK
        return block + self._heat(weights[block : block + _BLOCK], key)

    def _heat(self, weights: NDArray[np.float32], key: int) -> int:
        return int((weights / _exponentials(self._steps[: weights.size], key)).argmax())


def _sums(weights: NDArray[np.float32]) -> NDArray[np.float32]:
    whole = weights.size - weights.size % _BLOCK
    sums: NDArray[np.float32] = weights[:whole].reshape(-1, _BLOCK).sum(axis=1)
    return np.append(sums, weights[whole:].sum()) if whole < weights.size else sums


def key_of(seed: int, place: int) -> int:
    """Where the stream of one draw starts, 64 bits."""
    return mixed((mixed(seed & _MASK) + place * _STEP) & _MASK)


def mixed(value: int) -> int:
    """SplitMix64's bijection of 64 bits."""
    value = ((value ^ (value >> 30)) * _FIRST) & _MASK
    value = ((value ^ (value >> 27)) * _SECOND) & _MASK
    return value ^ (value >> 31)


def _exponentials(steps: NDArray[np.uint64], key: int) -> NDArray[np.float64]:
    """Exponential variates of rate 1, above 0, for the places `steps` of the stream `key`."""
    bits = steps + np.uint64(key)
    bits ^= bits >> np.uint64(30)
    bits *= np.uint64(_FIRST)
    bits ^= bits >> np.uint64(27)
    bits *= np.uint64(_SECOND)
    bits ^= bits >> np.uint64(31)
    bits >>= np.uint64(12)
    # The middles of 2**52 equal parts: a double holds them exactly, and none is 0 or 1.
    uniform = (bits + 0.5) * 2.0**-52
    times: NDArray[np.float64] = -np.log(uniform)
    return times
