"""Which tokens may be drawn: found without sorting a vocabulary, and exactly."""

import numpy as np
from numpy.typing import NDArray

from shoal_serving.generate.sampling.noise import Float

# How far the k largest are looked for among the largest of each of so many groups of tokens.
_GROUPS, _FEW = 1024, 256
# Tokens likelier than this part of what `top_p` leaves out are tried first as the nucleus.
_LIKELY = 1 / 256


def largest(scores: NDArray[np.float32], k: int) -> NDArray[np.intp]:
    """The tokens [>= k] whose score is not below the k-th largest, in ascending order.

    Equal ones at the end are all in, as in Hugging Face's and vLLM's `top_k`.
    """
    if k >= scores.size:
        return np.arange(scores.size)
    tokens = np.flatnonzero(scores >= _bound(scores, k))
    if tokens.size == k:
        return tokens
    found = scores[tokens]
    reaching: NDArray[np.intp] = tokens[found >= _kth(found, k)]
    return reaching


def _bound(scores: NDArray[np.float32], k: int) -> np.float32:
    """A number that at least k scores reach, and few more.

    The k-th largest of the groups' maxima is one, since k groups have a member that reaches it.
    """
    if k <= _FEW and scores.size >= 4 * _GROUPS:
        # A group is every so-manieth token: the maxima are then taken over whole rows.
        whole = scores.size - scores.size % _GROUPS
        scores = scores[:whole].reshape(-1, _GROUPS).max(axis=0)
    return _kth(scores, k)


def _kth(scores: NDArray[np.float32], k: int) -> np.float32:
    kth: np.float32 = np.partition(scores, scores.size - k)[scores.size - k]
    return kth


def nucleus(weights: NDArray[Float], top_p: float) -> NDArray[np.intp]:
    """The fewest tokens, the likeliest first, that have `top_p` of the weight; ascending.

    It is the set of A. Holtzman et al., The Curious Case of Neural Text Degeneration (2020). Of
    equal ones at the end the first are in.
    """
    total = float(weights.sum())
    rest = (1 - top_p) * total
    tokens = np.flatnonzero(weights >= _LIKELY * rest)
    mass = weights[tokens]
    if mass.sum(dtype=np.float64) < top_p * total:
        # Whatever is below the average of the rest cannot outweigh the rest.
        tokens = np.flatnonzero(weights >= rest / weights.size)
        mass = weights[tokens]
    return tokens[_heaviest(mass, top_p * total)]


def _heaviest(mass: NDArray[Float], enough: float) -> NDArray[np.bool_]:
    ordered = np.sort(mass)[::-1]
    count = int(np.searchsorted(np.cumsum(ordered, dtype=np.float64), enough)) + 1
    last = ordered[min(count, mass.size) - 1]
    kept: NDArray[np.bool_] = mass >= last
    surplus = np.count_nonzero(kept) - count
    if surplus > 0:
        kept[np.flatnonzero(mass == last)[-surplus:]] = False
    return kept
