"""Triton's raw binary request: the body is the data of a model's only input, and nothing else.

The shape is deduced from the bytes, so at most one dimension may be unknown. Where more are, the
first is taken for the batch, and the request for a batch of one.
"""

import math
from collections.abc import Sequence

from shoal.api.tensors import Datatype, TensorSpec
from shoal.errors import InvalidRequest
from shoal_serving.http.oip.binary_data import read_binary, strings
from shoal_serving.http.oip.request import InferRequest
from shoal_serving.http.oip.wording import invalid_input, shown_shape
from shoal_serving.tensors import DTYPES, Array


def decode_raw(body: memoryview, inputs: Sequence[TensorSpec]) -> InferRequest:
    """Read a raw binary request; it is answered with every output as binary data.

    Raises:
        InvalidRequest: the model has several inputs, its shape cannot be deduced, or the bytes are
            not a whole number of rows.
    """
    needed = [spec for spec in inputs if not spec.optional]
    if len(needed) != 1:
        raise InvalidRequest(
            "a raw binary request (Inference-Header-Content-Length: 0) is for models of one input, "
            f"and this one has {len(needed)}",
            "inputs",
        )
    spec = needed[0]
    tensor = _text(spec, body) if spec.datatype == Datatype.BYTES else _numbers(spec, body)
    return InferRequest({spec.name: tensor}, None, None, {}, binary_default=True)


def _text(spec: TensorSpec, body: memoryview) -> Array:
    """One element, without the length that precedes it elsewhere."""
    shape = [1 if size < 0 else size for size in spec.shape]
    if math.prod(shape) != 1:
        raise _not_deducible(spec, "a BYTES input must hold one element")
    return strings([bytes(body)], shape)


def _numbers(spec: TensorSpec, body: memoryview) -> Array:
    shape = list(spec.shape)
    unknown = [axis for axis, size in enumerate(shape) if size < 0]
    if len(unknown) > 1 and unknown[0] == 0:
        shape[unknown.pop(0)] = 1
    if len(unknown) > 1:
        raise _not_deducible(spec, "at most one dimension besides the batch may vary")
    for axis in unknown:
        shape[axis] = _count(spec, math.prod(shape[:axis] + shape[axis + 1 :]), len(body))
    return read_binary(spec, shape, body)


def _count(spec: TensorSpec, elements: int, size: int) -> int:
    """How long the unknown dimension is, of which one step has so many elements."""
    step = DTYPES[spec.datatype].itemsize * elements
    if step and size % step:
        what = f"{spec.datatype} {shown_shape(spec.shape)}"
        raise invalid_input(spec, f"{what} takes a multiple of {step} bytes, got {size}")
    return size // step if step else 0


def _not_deducible(spec: TensorSpec, rule: str) -> InvalidRequest:
    shape = shown_shape(spec.shape)
    return invalid_input(spec, f"a raw binary request cannot tell the shape of {shape}: {rule}")
