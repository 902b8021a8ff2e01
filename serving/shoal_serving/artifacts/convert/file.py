"""ONNX files: small weights inside, large ones beside, and never a half-written file in place."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import numpy as np
import onnx
from onnx import TensorProto, helper

from shoal_serving.artifacts.convert.initializer import Initializer

# ONNX Runtime maps external data where it would read and copy what is inside: models load sooner
# and in half the memory, and replicas share the embeddings. A small model stays one file.
INLINE_LIMIT = 16 * 2**20
_ALIGNMENT = 4096  # a page, so that a tensor can be mapped


def write(
    model: onnx.ModelProto,
    weights: Sequence[Initializer],
    out: Path,
    inline_limit: int = INLINE_LIMIT,
) -> None:
    """Write `model` with `weights` as its initializers to `out`: `store`, and then `save`."""
    save(model, store(weights, out, inline_limit), out)


def store(
    weights: Sequence[Initializer], out: Path, inline_limit: int = INLINE_LIMIT
) -> list[TensorProto]:
    """The initializers of a model at `out` that is still to be saved.

    Those of more than `inline_limit` bytes in all are in `<out>.data`, ONNX's external data. One
    piece of one tensor is in memory at a time.
    """
    if sum(weight.size for weight in weights) <= inline_limit:
        return [_inline(weight) for weight in weights]
    data = out.with_name(f"{out.name}.data")
    with _replacing(data) as file:
        return [_external(weight, file, data.name) for weight in weights]


def save(model: onnx.ModelProto, tensors: Sequence[TensorProto], out: Path) -> None:
    """Write `model` with `tensors` as its initializers to `out`, which appears when complete."""
    model.graph.initializer.extend(tensors)
    with _replacing(out) as file:
        file.write(model.SerializeToString())


@contextmanager
def _replacing(path: Path) -> Iterator[BinaryIO]:
    """A file that takes the path's place when it is complete, and else is removed."""
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with part.open("wb") as file:
            yield file
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def _inline(weight: Initializer) -> TensorProto:
    tensor = _tensor(weight)
    tensor.raw_data = b"".join(piece.tobytes() for piece in weight.pieces())
    return tensor


def _external(weight: Initializer, file: BinaryIO, name: str) -> TensorProto:
    """Write the values to `file`; the tensor says where they are."""
    file.write(bytes(-file.tell() % _ALIGNMENT))
    where = {"location": name, "offset": file.tell(), "length": weight.size}
    for piece in weight.pieces():
        file.write(np.ascontiguousarray(piece).data)
    tensor = _tensor(weight)
    tensor.data_location = TensorProto.EXTERNAL
    for key, value in where.items():
        tensor.external_data.add(key=key, value=str(value))
    return tensor


def _tensor(weight: Initializer) -> TensorProto:
    kind = helper.np_dtype_to_tensor_dtype(weight.dtype)
    return TensorProto(name=weight.name, dims=weight.shape, data_type=kind)
