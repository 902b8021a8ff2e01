"""Which tokens may be drawn: the short ways find just what a whole sort finds."""

import numpy as np
import pytest

from shoal_serving.generate.sampling.candidates import largest, nucleus


def scores_of(rng, size):
    """Some with many equal ones, as half precision gives; some with tokens that are impossible."""
    scores = rng.standard_normal(size).astype(np.float32) * rng.choice([0.1, 1, 6])
    if rng.random() < 0.5:
        scores = np.round(scores, 1)
    if rng.random() < 0.3:
        scores[rng.random(size) < 0.9] = -np.inf
    return scores


@pytest.mark.parametrize("size", [1, 2, 100, 4095, 4096, 9000, 20_001])
def test_the_largest_are_those_of_a_sort(size):
    rng = np.random.default_rng(size)
    for k in (1, 2, 7, 50, 256, 257, 1000, size - 1, size, size + 1):
        if k < 1:
            continue
        scores = scores_of(rng, size)
        kth = np.sort(scores)[::-1][:k].min()
        assert largest(scores, k).tolist() == np.flatnonzero(scores >= kth).tolist()


@pytest.mark.parametrize("size", [1, 2, 100, 3000, 20_001])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_nucleus_is_that_of_a_sort(size, dtype):
    rng = np.random.default_rng(size)
    for top_p in (1e-6, 0.1, 0.5, 0.9, 0.95, 0.99, 0.9999):
        scores = scores_of(rng, size)
        scores[rng.integers(size)] = 5
        weights = np.exp(scores - scores.max()).astype(dtype)
        order = np.argsort(-weights, kind="stable")
        mass = np.cumsum(weights[order], dtype=np.float64)
        count = np.count_nonzero(mass < top_p * float(weights.sum())) + 1
        assert nucleus(weights, top_p).tolist() == sorted(order[:count].tolist())


def test_of_equal_tokens_the_nucleus_has_only_as_many_as_it_needs():
    assert nucleus(np.ones(8), 0.5).tolist() == [0, 1, 2, 3]
    assert nucleus(np.array([1.0, 4.0, 1.0, 1.0, 1.0]), 0.6).tolist() == [0, 1]


def test_a_nucleus_of_nearly_everything_is_everything():
    assert nucleus(np.ones(1000, np.float32), 1 - 1e-16).size == 1000
