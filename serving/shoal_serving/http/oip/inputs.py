"""The `inputs` of a request → arrays by name, each checked against what the model declares."""

from collections.abc import Mapping, Sequence
from typing import Any

from shoal.api.tensors import TensorSpec
from shoal.errors import InvalidRequest
from shoal_serving.http.oip.binary_data import read_binary
from shoal_serving.http.oip.fields import Json, count, name_of, parameters_of
from shoal_serving.http.oip.json_data import read_json
from shoal_serving.http.oip.wording import (
    clipped,
    invalid_input,
    quoted,
    quoted_all,
    shown,
    shown_shape,
)
from shoal_serving.tensors import Array, Tensors

_INTEGERS = frozenset((int,))


def read_inputs(items: list[Any], binary: memoryview, specs: Sequence[TensorSpec]) -> Tensors:
    """Read all inputs; `binary` holds the binary ones, in the order of `items`.

    Raises:
        InvalidRequest: an unknown, repeated, missing or unfit input, or bytes that are nobody's.
    """
    known = {spec.name: spec for spec in specs}
    tensors: Tensors = {}
    for item in items:
        spec = _spec(item, known)
        if spec.name in tensors:
            raise invalid_input(spec, "was sent twice")
        shape = _shape(item, spec)
        size = _binary_size(item, spec)
        if size is None:
            tensors[spec.name] = read_json(spec, shape, item.get("data"))
        else:
            tensors[spec.name] = _read_binary(spec, shape, binary, size)
            binary = binary[size:]
    missing = [spec for spec in specs if spec.name not in tensors and not spec.optional]
    if missing:
        raise _missing(missing[0])
    if binary:
        raise InvalidRequest(
            f"the body: {len(binary)} bytes are left over after the last input's data", "inputs"
        )
    return tensors


def _spec(item: Any, known: Mapping[str, TensorSpec]) -> TensorSpec:
    name = name_of(item, "inputs")
    spec = known.get(name)
    if spec is None:
        raise InvalidRequest(
            f"input {quoted(name)} is unknown; the model's inputs are {quoted_all(known)}",
            clipped(name),
        )
    datatype = item.get("datatype")
    if datatype != spec.datatype:
        raise invalid_input(spec, f"expected datatype {spec.datatype}, got {shown(datatype)}")
    return spec


def _missing(spec: TensorSpec) -> InvalidRequest:
    return invalid_input(spec, f"missing, expected {spec.datatype} {shown_shape(spec.shape)}")


def _shape(item: Json, spec: TensorSpec) -> list[int]:
    shape = item.get("shape")
    if type(shape) is not list or not _INTEGERS.issuperset(map(type, shape)):
        raise invalid_input(spec, f"expected a list of integers as 'shape', got {shown(shape)}")
    if len(shape) != len(spec.shape):
        raise _misshaped(spec, shape)
    for size, declared in zip(shape, spec.shape, strict=True):
        if size < 0 or (size != declared and declared >= 0):
            raise _misshaped(spec, shape)
    return shape


def _misshaped(spec: TensorSpec, shape: list[int]) -> InvalidRequest:
    expected = shown_shape(spec.shape)
    if min(spec.shape, default=0) < 0:
        expected += " (-1 is any size from 0 up)"
    return invalid_input(spec, f"expected shape {expected}, got {shown_shape(shape)}")


def _binary_size(item: Json, spec: TensorSpec) -> int | None:
    """The bytes that an input has in the binary part, or `None` if its data are JSON."""
    if "parameters" not in item:
        return None
    where = f"input {quoted(spec.name)}"
    size = count(parameters_of(item, where, spec.name), "binary_data_size", where)
    if size is not None and item.get("data") is not None:
        raise invalid_input(spec, "expected either 'data' or 'binary_data_size', got both")
    return size


def _read_binary(spec: TensorSpec, shape: list[int], binary: memoryview, size: int) -> Array:
    if size > len(binary):
        raise invalid_input(
            spec,
            f"'binary_data_size' is {size}, but {len(binary)} bytes are left for it in the body "
            "after the JSON, which ends where Inference-Header-Content-Length says",
        )
    return read_binary(spec, shape, binary[:size])
