"""Blocks of tokens that are kept: what is found again, and what is dropped first."""

import numpy as np
import pytest

from shoal_serving.generate.prefix import BLOCK, PrefixCache

SIZE = 100


@pytest.fixture
def cache():
    return PrefixCache(6 * SIZE, SIZE)


def tokens(blocks, first=0, more=0):
    return list(range(first, first + blocks * BLOCK + more))


def keep(cache, kept, variant=""):
    """The blocks are arrays of the tokens that they hold."""
    reads = []

    def read(start, stop):
        reads.append((start, stop))
        return np.array(kept[start:stop])

    cache.keep(kept, variant, read)
    return reads


def found(cache, wanted, variant=""):
    return [token for block in cache.find(wanted, variant) for token in block.tolist()]


def test_the_longest_common_prefix_is_found(cache):
    keep(cache, tokens(3))
    assert found(cache, tokens(2) + [9999] * 40) == tokens(2)


def test_a_last_token_is_always_left_to_compute(cache):
    keep(cache, tokens(2))
    assert found(cache, tokens(2)) == tokens(1)
    assert found(cache, tokens(2, more=1)) == tokens(2)


def test_only_whole_blocks_are_kept(cache):
    keep(cache, tokens(1, more=5))
    assert found(cache, tokens(3)) == tokens(1)


def test_equal_tokens_behind_other_ones_are_not_the_same(cache):
    keep(cache, tokens(1) + tokens(1, 500))
    assert found(cache, [*tokens(1, 500), 1]) == []


def test_another_adapter_has_other_keys_and_values(cache):
    keep(cache, tokens(1), "pirate")
    assert found(cache, tokens(2)) == []
    assert found(cache, tokens(2), "pirate") == tokens(1)


def test_what_is_known_is_not_read_again(cache):
    keep(cache, tokens(1))
    assert keep(cache, tokens(3)) == [(BLOCK, 2 * BLOCK), (2 * BLOCK, 3 * BLOCK)]


def test_it_never_takes_more_than_it_may(cache):
    for first in range(0, 5000, 500):
        keep(cache, tokens(4, first))
        assert cache.size <= 6 * SIZE


def test_what_was_not_used_for_longest_goes_first(cache):
    keep(cache, tokens(3))
    keep(cache, tokens(3, 500))
    found(cache, tokens(4))
    keep(cache, tokens(2, 1000))
    assert found(cache, tokens(4)) == tokens(3)
    assert found(cache, tokens(4, 500)) == tokens(1, 500)


def test_of_a_prompt_that_is_too_long_the_beginning_is_kept(cache):
    keep(cache, tokens(9))
    assert found(cache, tokens(9)) == tokens(6)


def test_a_cache_of_nothing_keeps_nothing():
    cache = PrefixCache(0, SIZE)
    assert keep(cache, tokens(3)) == []
    assert found(cache, tokens(3)) == []


def test_a_smaller_limit_drops_what_is_over_it(cache):
    keep(cache, tokens(6))
    cache.resize(2 * SIZE)
    assert cache.size == 2 * SIZE
    assert found(cache, tokens(6)) == tokens(2)
