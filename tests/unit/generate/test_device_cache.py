"""Rows in a device's memory hold what rows in the processor's do."""

import ctypes
import gc
import random

import numpy as np
import pytest
from host_memory import HostMemory

from shoal_serving.generate.cache import KeyValueCache, Layout
from shoal_serving.generate.device_cache import DeviceCache

ROWS, CAPACITY = 5, 13


@pytest.fixture(params=[np.float16, np.float32])
def layout(request):
    return Layout(("k0", "v0", "k1", "v1", "k2", "v2"), 3, 8, np.dtype(request.param))


@pytest.fixture
def memory():
    return HostMemory()


@pytest.fixture
def caches(layout, memory):
    return KeyValueCache(layout, ROWS, CAPACITY), DeviceCache(layout, ROWS, CAPACITY, memory)


def block(layout, tokens, seed):
    shape = (len(layout.parts), layout.heads, tokens, layout.size)
    return np.random.default_rng(seed).normal(size=shape).astype(layout.dtype)


def values(cache, first, rows):
    """What a session finds at the addresses that it is given."""
    for name, shape, address in cache.views(first, rows):
        size = int(np.prod(shape)) * cache.layout.dtype.itemsize
        yield (
            name,
            np.frombuffer(ctypes.string_at(address, size), cache.layout.dtype).reshape(shape),
        )


def same(one, other, first=0, rows=ROWS):
    for (name, a), (also, b) in zip(
        values(one, first, rows), values(other, first, rows), strict=True
    ):
        assert name == also
        np.testing.assert_array_equal(a, b)


def test_it_begins_with_zeros(caches):
    same(*caches)


@pytest.mark.parametrize("seed", range(5))
def test_whatever_is_written_moved_and_read(caches, layout, seed):
    chance = random.Random(seed)
    for number in range(60):
        start = chance.randrange(CAPACITY)
        stop = chance.randint(start + 1, CAPACITY)
        row, other = chance.sample(range(ROWS), 2)
        for cache in caches:
            cache.write(row, start, block(layout, stop - start, number))
        tokens = chance.randint(0, CAPACITY)
        for cache in caches:
            cache.move(row, other, tokens)
        read = [cache.read(other, start, stop) for cache in caches]
        np.testing.assert_array_equal(*read)
        first = chance.randrange(ROWS)
        same(*caches, first=first, rows=chance.randint(1, ROWS - first))


def test_a_part_of_a_block_is_written_as_it_is(caches, layout):
    halves = block(layout, 8, 0)[:, :, ::2]
    for cache in caches:
        cache.write(2, 3, halves)
    same(*caches)


def test_it_says_what_it_takes(caches):
    one, other = caches
    assert one.bytes == other.bytes


def test_other_values_are_placed_beside_it(caches, memory):
    _, cache = caches
    numbers = np.arange(12, dtype=np.int64).reshape(3, 4)
    placed = cache.place(numbers)
    assert ctypes.string_at(placed.address, numbers.nbytes) == numbers.tobytes()
    nothing = cache.place(np.empty((0, 4), np.float16))
    assert nothing.address
    assert len(memory.blocks) == 3


def test_memory_is_freed_when_nobody_has_it(layout, memory):
    cache = DeviceCache(layout, ROWS, CAPACITY, memory)
    placed = cache.place(np.zeros(4))
    del cache, placed
    gc.collect()
    assert not memory.blocks


def test_more_than_there_is_is_refused(layout):
    with pytest.raises(MemoryError):
        DeviceCache(layout, ROWS, CAPACITY, HostMemory(limit=100))
