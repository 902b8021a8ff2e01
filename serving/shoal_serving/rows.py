"""Rows: how large feeds are cut and put together again, and whether rows mind their neighbours.

Pure functions of feeds and tensors; what runs them is the model's business.
"""

import itertools
from collections.abc import Hashable, Sequence

import numpy as np

from shoal_serving.tasks import Feed
from shoal_serving.tensors import Array, Tensors

RELATIVE, ABSOLUTE = 1e-2, 1e-3


class WrongRows(Exception):
    """A batch came back with another number of rows than it went in with."""


def apart(outputs: Tensors, rows: Sequence[int]) -> list[Tensors]:
    """A batch's outputs as those of each of its feeds, which have so many `rows`.

    Raises:
        WrongRows: an output's first dimension is not the batch's rows.
    """
    total = sum(rows)
    for name, array in outputs.items():
        if not array.shape or array.shape[0] != total:
            raise WrongRows(f"output {name} has shape {list(array.shape)} for {total} rows")
    parts: list[Tensors] = []
    start = 0
    for count in rows:
        parts.append({name: array[start : start + count] for name, array in outputs.items()})
        start += count
    return parts


def split(feed: Feed, size: int) -> list[Feed]:
    """A feed as feeds of at most `size` rows; one without rows stays one."""
    return [
        Feed(
            {name: array[start : start + size] for name, array in feed.tensors.items()},
            min(size, feed.rows - start),
            feed.key,
        )
        for start in range(0, feed.rows, size)
    ] or [feed]


def portions(feeds: Sequence[Feed], rows: int) -> list[Sequence[int]]:
    """The feeds' places in portions of at most `rows` rows (one feed at least), those of one key
    beside each other.
    """
    if sum(feed.rows for feed in feeds) <= rows:
        return [range(len(feeds))]
    by_key: dict[Hashable, list[int]] = {}
    for place, feed in enumerate(feeds):
        by_key.setdefault(feed.key, []).append(place)
    cut: list[list[int]] = []
    room = 0
    for place in itertools.chain.from_iterable(by_key.values()):
        if feeds[place].rows > room or not cut:
            cut.append([])
            room = rows
        cut[-1].append(place)
        room -= feeds[place].rows
    return list(cut)


def joined(rows: list[Tensors], parts: Sequence[Sequence[Feed]]) -> list[Tensors]:
    """One `Tensors` per feed again, from the `rows` of its `parts`."""
    if len(rows) == len(parts):
        return rows
    whole: list[Tensors] = []
    following = iter(rows)
    for feeds in parts:
        pieces = [next(following) for _ in feeds]
        whole.append({name: np.concatenate([p[name] for p in pieces]) for name in pieces[0]})
    return whole


def shapes(feed: Feed) -> tuple[tuple[int, ...], ...]:
    """The shapes of a feed's tensors."""
    return tuple(array.shape for array in feed.tensors.values())


def changed(feed: Feed, kinds: str) -> Feed:
    """The feed with other values in the tensors of these kinds (of NumPy's dtypes)."""
    tensors = {
        name: _other(array) if array.dtype.kind in kinds else array
        for name, array in feed.tensors.items()
    }
    return Feed(tensors, feed.rows, feed.key)


def _other(array: Array) -> Array:
    """Other values: never far from those that are there if they may be indices."""
    kind = array.dtype.kind
    if kind == "O":
        return np.full(array.shape, b"another", np.object_)
    if kind in "fV":
        return np.random.default_rng(0).standard_normal(array.shape).astype(array.dtype)
    return np.bitwise_xor(array, np.ones((), array.dtype))


def alike(one: Tensors, other: Tensors) -> bool:
    """Whether two runs gave the same, but for the rounding that differs with a batch's size."""
    return all(_close(array, other[name]) for name, array in one.items())


def _close(one: Array, other: Array) -> bool:
    if one.shape != other.shape:
        return False
    if one.dtype.kind in "fV":
        both = one.astype(np.float64), other.astype(np.float64)
        return np.allclose(*both, rtol=RELATIVE, atol=ABSOLUTE, equal_nan=True)
    return bool((one == other).all())
