"""A tensor of a graph, whose values are made when they are written and not held before or after."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shoal_serving.artifacts.safetensors import StoredTensor

Pieces = Callable[[], Iterator[NDArray[np.generic]]]


@dataclass(frozen=True, slots=True)
class Initializer:
    """`pieces()` makes the values anew, in row-major order, some rows at a time."""

    name: str
    dtype: np.dtype[np.generic]
    shape: tuple[int, ...]
    pieces: Pieces

    @property
    def size(self) -> int:
        """Bytes."""
        return math.prod(self.shape) * self.dtype.itemsize


def stored(tensor: StoredTensor, dtype: np.dtype[np.generic]) -> Initializer:
    """A weight of the checkpoint under its own name, converted to `dtype`."""
    return Initializer(tensor.name, dtype, tensor.shape, lambda: tensor.rows(dtype))


def computed(name: str, values: NDArray[np.generic]) -> Initializer:
    """Values that are small, or at hand anyway."""
    return Initializer(name, values.dtype, values.shape, lambda: iter((values,)))
