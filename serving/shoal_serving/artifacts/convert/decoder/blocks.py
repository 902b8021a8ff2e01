"""Rows of weights rounded to integers in blocks, as MatMulNBits reads them.

A weight is (q - zero) * scale, with one scale for each block of a row; q has 4 or 8 bits and the
zero is in the middle of its range. The scale makes the number farthest from 0 the lowest q, whose
range has one more below the zero than above it.
"""

import math

import numpy as np
from numpy.typing import NDArray

BLOCK = 32
_FLOAT32 = np.dtype(np.float32)


def count(inputs: int) -> int:
    """How many blocks a row of `inputs` numbers has; the last may be filled up with zeros."""
    return math.ceil(inputs / BLOCK)


def scales_of(
    rows: NDArray[np.float32], bits: int, dtype: np.dtype[np.generic] = _FLOAT32
) -> NDArray[np.generic]:
    """[rows, blocks] of `dtype`."""
    return _scales(_split(rows), bits).astype(dtype, copy=False)


def pack(
    rows: NDArray[np.float32], bits: int, dtype: np.dtype[np.generic] = _FLOAT32
) -> NDArray[np.uint8]:
    """UINT8 [rows, blocks, BLOCK * bits / 8], for scales that are kept in `dtype`."""
    blocks, zero = _split(rows), 1 << (bits - 1)
    scales = _scales(blocks, bits).astype(dtype, copy=False).astype(np.float32, copy=False)
    scales = scales[..., None]
    # A block of zeros has a scale of zero.
    whole = np.rint(blocks / np.where(scales == 0, 1, scales)) + zero
    return pack_integers(np.clip(whole, 0, 2 * zero - 1).astype(np.uint8), bits)


def pack_integers(values: NDArray[np.uint8], bits: int) -> NDArray[np.uint8]:
    """The last dimension's integers of 4 bits two in a byte, the first in the lower half."""
    if bits == 8:
        return values
    return values[..., 0::2] | (values[..., 1::2] << np.uint8(4))


def _split(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    fill = -rows.shape[1] % BLOCK
    return np.pad(rows, ((0, 0), (0, fill))).reshape(len(rows), -1, BLOCK)


def _scales(blocks: NDArray[np.float32], bits: int) -> NDArray[np.float32]:
    farthest = np.take_along_axis(blocks, np.abs(blocks).argmax(-1, keepdims=True), -1)[..., 0]
    scales: NDArray[np.float32] = farthest / np.float32(-(1 << (bits - 1)))
    return scales
