"""The keys and values of every token that is computed, in rows: one for each running sequence.

One block of memory, in which ONNX Runtime reads the past and appends the present in place. A row
has room for `capacity` tokens from the start; the pages of the operating system behind it, large
ones where it has them, are taken when they are first written.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

Block = NDArray[Any]


@dataclass(frozen=True, slots=True)
class Layout:
    """`parts` are the names of the graph's keys and values, layer by layer."""

    parts: tuple[str, ...]
    heads: int
    size: int
    dtype: np.dtype[Any]

    @property
    def token_bytes(self) -> int:
        """What one token takes."""
        return len(self.parts) * self.heads * self.size * self.dtype.itemsize


class Placed(Protocol):
    """Values where the session reads them, for as long as this is held."""

    @property
    def address(self) -> int: ...


class KeyValues(Protocol):
    """[parts, rows, heads, capacity, size] in the memory of the device that computes.

    `device` is its name for ONNX Runtime. `shared`: the session reads the processor's memory where
    it is; elsewhere it copies what lies there when it is bound.
    """

    layout: Layout
    rows: int
    capacity: int
    device: str
    shared: bool

    @property
    def bytes(self) -> int: ...

    def views(self, first: int, rows: int) -> Iterator[tuple[str, tuple[int, ...], int]]:
        """The name, shape and address of each part of these rows."""
        ...

    def move(self, source: int, target: int, tokens: int) -> None:
        """Copy the first `tokens` of a row to another one."""
        ...

    def read(self, row: int, start: int, stop: int) -> Block:
        """A copy of some tokens: [parts, heads, stop - start, size]."""
        ...

    def write(self, row: int, start: int, block: Block) -> None:
        """Put such a copy into a row."""
        ...

    def place(self, values: NDArray[Any]) -> Placed:
        """Put other values, in row-major order, into the same memory."""
        ...

    def close(self) -> None:
        """Give back the memory of the rows."""
        ...


class KeyValueCache:
    """Keys and values in the processor's memory."""

    device = "cpu"
    shared = True

    def __init__(self, layout: Layout, rows: int, capacity: int) -> None:
        """Raises MemoryError: there is not as much."""
        self.layout = layout
        self.rows = rows
        self.capacity = capacity
        shape = (len(layout.parts), rows, layout.heads, capacity, layout.size)
        self._values: NDArray[Any] = np.zeros(shape, layout.dtype)

    @property
    def bytes(self) -> int:
        return int(self._values.nbytes)

    def views(self, first: int, rows: int) -> Iterator[tuple[str, tuple[int, ...], int]]:
        for name, part in zip(self.layout.parts, self._values, strict=True):
            view = part[first : first + rows]
            yield name, view.shape, view.ctypes.data

    def move(self, source: int, target: int, tokens: int) -> None:
        self._values[:, target, :, :tokens] = self._values[:, source, :, :tokens]

    def read(self, row: int, start: int, stop: int) -> Block:
        return self._values[:, row, :, start:stop].copy()

    def write(self, row: int, start: int, block: Block) -> None:
        self._values[:, row, :, start : start + block.shape[2]] = block

    def place(self, values: NDArray[Any]) -> Placed:
        return _Here(values)

    def close(self) -> None:
        self._values = np.empty((len(self.layout.parts), 0), self.layout.dtype)


class _Here:
    """An array, where it is."""

    def __init__(self, values: NDArray[Any]) -> None:
        self._values = values

    @property
    def address(self) -> int:
        return self._values.ctypes.data
