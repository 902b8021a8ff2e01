"""safetensors files: a JSON header and bare tensors, mapped into memory and never read whole.

The format (https://huggingface.co/docs/safetensors): the header's length as 8 bytes, little
endian; the header, an object of `{"dtype", "shape", "data_offsets": [begin, end]}` by tensor name,
with offsets from the header's end; the tensors, little endian, in row-major order. A file is a
stranger's, so everything that it says of itself is checked before it is believed.
"""

import json
import math
import mmap
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
from numpy.typing import NDArray

from shoal.errors import ModelLoadFailed

FLOATS = {
    "F32": np.dtype("<f4"),
    "F16": np.dtype("<f2"),
    "BF16": np.dtype(ml_dtypes.bfloat16),
}
# Integers are read only where a quantized checkpoint packs its weights in them.
DTYPES = FLOATS | {"I32": np.dtype("<i4"), "I64": np.dtype("<i8"), "U8": np.dtype("u1")}
_PIECE = 8 * 2**20  # bytes that are in memory at a time
_LARGEST_HEADER = 100_000_000  # the limit of the reference implementation
_AGAIN = "Fetch or save the checkpoint again."


@dataclass(frozen=True, slots=True)
class StoredTensor:
    """One tensor in a file: where it is, and how to read it."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    raw: NDArray[np.uint8]
    file: mmap.mmap | None = None

    def values(self) -> NDArray[np.generic]:
        """The values as they are stored, of whatever type."""
        values: NDArray[np.generic] = self.raw.view(DTYPES[self.dtype]).reshape(self.shape)
        return values

    def rows(self, dtype: np.dtype[np.generic]) -> Iterator[NDArray[np.generic]]:
        """The values as `dtype`, some rows at a time.

        A piece is valid until the next is asked for. What was read leaves memory again: a
        mapped page would count as the process's own.
        """
        values = np.atleast_1d(self.values())
        step = max(1, _PIECE * len(values) // max(values.nbytes, 1))
        for start in range(0, len(values), step):
            yield values[start : start + step].astype(dtype, copy=False)
            self.forget()

    def forget(self) -> None:
        """Let go of the file's pages in memory; they come back when they are read."""
        if self.file is not None:
            self.file.madvise(mmap.MADV_DONTNEED)


def open_safetensors(path: Path) -> dict[str, StoredTensor]:
    """The tensors of a file, by name.

    Raises:
        ModelLoadFailed: the file is not what its format says.
    """
    if path.stat().st_size < 8:
        raise _damaged(path, "it is shorter than its own header")
    with path.open("rb") as opened:
        file = mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ)
    content = np.frombuffer(file, np.uint8)
    size = int.from_bytes(content[:8].tobytes(), "little")
    if size > min(len(content) - 8, _LARGEST_HEADER):
        raise _damaged(path, f"it promises a header of {size} bytes")
    header = _parse(path, content[8 : 8 + size].tobytes())
    data = content[8 + size :]
    tensors = (_tensor(path, name, entry, data) for name, entry in header.items())
    return {tensor.name: replace(tensor, file=file) for tensor in tensors}


def _parse(path: Path, header: bytes) -> dict[str, Any]:
    try:
        entries = json.loads(header)
    except (ValueError, RecursionError) as error:
        raise _damaged(path, f"its header is not JSON ({error})") from error
    if not isinstance(entries, dict):
        raise _damaged(path, "its header is not a JSON object")
    entries.pop("__metadata__", None)
    return entries


def _tensor(path: Path, name: str, entry: Any, data: NDArray[np.uint8]) -> StoredTensor:
    try:
        dtype, shape = str(entry["dtype"]), tuple(entry["shape"])
        begin, end = entry["data_offsets"]
    except (KeyError, TypeError, ValueError) as error:
        raise _damaged(path, f"its entry for {name} is incomplete ({error!r})") from error
    if not all(type(number) is int and number >= 0 for number in (*shape, begin, end)):
        raise _damaged(path, f"its entry for {name} holds a number that is no size")
    if end > len(data):
        raise _damaged(path, f"{name} lies beyond its end: it is cut short")
    if dtype in DTYPES and end - begin != math.prod(shape) * DTYPES[dtype].itemsize:
        raise _damaged(path, f"{name} {dtype} {list(shape)} does not fill its {end - begin} bytes")
    return StoredTensor(name, dtype, shape, data[begin:end])


def _damaged(path: Path, what: str) -> ModelLoadFailed:
    return ModelLoadFailed(f"{path.name} is damaged: {what}.", _AGAIN)
