"""The rows of keys and values in a device's own memory, which the processor cannot read.

The prefix cache stays in the processor's memory; its blocks are copied from and to the rows.
"""

import weakref
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from shoal_serving.generate.cache import Block, Layout


@dataclass(frozen=True, slots=True)
class Box:
    """Bytes at an address: lines every `pitch` bytes, and planes every `lines` lines."""

    address: int
    pitch: int
    lines: int


@dataclass(frozen=True, slots=True)
class Extent:
    """`planes` of `lines` of `width` bytes."""

    width: int
    lines: int
    planes: int


class Memory(Protocol):
    """A device's memory. `device` is its name for ONNX Runtime.

    Every method raises InferenceFailed where the device fails.
    """

    device: str

    def allocate(self, size: int) -> int:
        """The address of `size` bytes, all 0.

        Raises:
            MemoryError: there is not as much.
        """
        ...

    def free(self, address: int) -> None: ...

    def copy(self, source: Box, target: Box, extent: Extent) -> None:
        """Copy a box, from and to this memory or the processor's; it is done on return."""
        ...


class DeviceCache:
    """[parts, rows, heads, capacity, size] in a device's memory, until it is closed."""

    shared = False

    def __init__(self, layout: Layout, rows: int, capacity: int, memory: Memory) -> None:
        """Raises MemoryError: there is not as much."""
        self.layout = layout
        self.rows = rows
        self.capacity = capacity
        self.device = memory.device
        self._memory = memory
        self._held = _Held(memory, self.bytes)

    @property
    def bytes(self) -> int:
        return self.layout.token_bytes * self.rows * self.capacity

    def views(self, first: int, rows: int) -> Iterator[tuple[str, tuple[int, ...], int]]:
        shape = (rows, self.layout.heads, self.capacity, self.layout.size)
        for number, name in enumerate(self.layout.parts):
            yield name, shape, self._address(number * self.rows + first, 0)

    def move(self, source: int, target: int, tokens: int) -> None:
        if tokens:
            self._memory.copy(self._box(source, 0), self._box(target, 0), self._extent(tokens))

    def read(self, row: int, start: int, stop: int) -> Block:
        layout = self.layout
        block: Block = np.empty(
            (len(layout.parts), layout.heads, stop - start, layout.size), layout.dtype
        )
        self._memory.copy(self._box(row, start), _box_of(block), self._extent(stop - start))
        return block

    def write(self, row: int, start: int, block: Block) -> None:
        block = np.ascontiguousarray(block)
        self._memory.copy(_box_of(block), self._box(row, start), self._extent(block.shape[2]))

    def place(self, values: NDArray[Any]) -> "_Held":
        held = _Held(self._memory, values.nbytes)
        if values.nbytes:
            line = Extent(values.nbytes, 1, 1)
            source = Box(values.ctypes.data, values.nbytes, 1)
            self._memory.copy(source, Box(held.address, values.nbytes, 1), line)
        return held

    def close(self) -> None:
        self._held.free()

    @property
    def _token(self) -> int:
        """Bytes of one token of one head."""
        return self.layout.size * self.layout.dtype.itemsize

    def _address(self, row: int, token: int) -> int:
        """Of a token of the first head; rows are counted through all parts."""
        head = row * self.layout.heads
        return self._held.address + (head * self.capacity + token) * self._token

    def _box(self, row: int, token: int) -> Box:
        """A row's tokens from one on: a line is a head, and a plane a part."""
        lines = self.rows * self.layout.heads
        return Box(self._address(row, token), self.capacity * self._token, lines)

    def _extent(self, tokens: int) -> Extent:
        return Extent(tokens * self._token, self.layout.heads, len(self.layout.parts))


class _Held:
    """Memory that is freed when this is collected, or before."""

    def __init__(self, memory: Memory, size: int) -> None:
        self.address = memory.allocate(max(1, size))
        # At the end of the process the driver frees it, and may be gone before us.
        self.free = weakref.finalize(self, memory.free, self.address)
        self.free.atexit = False


def _box_of(block: Block) -> Box:
    """A block: [parts, heads, tokens, size]."""
    _, heads, tokens, size = block.shape
    return Box(block.ctypes.data, tokens * size * block.dtype.itemsize, heads)
