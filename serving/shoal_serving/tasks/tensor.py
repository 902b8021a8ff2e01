"""`tensor`: the graph's own inputs and outputs, for any graph.

Rows of several requests run together where the backend batches; else each request runs alone, and
so does one whose inputs have first dimensions of different sizes.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from shoal.api.tensors import TensorSpec
from shoal.errors import InvalidRequest
from shoal_serving.backends import Backend
from shoal_serving.tasks import Encoded, Feed
from shoal_serving.tasks.reading import Parameters, expected_tensor, tensors_named
from shoal_serving.tensors import DTYPES, Array, Tensors


class TensorTask:
    """A query is the graph's inputs, an answer its outputs."""

    def __init__(self, backend: Backend) -> None:
        self._inputs = backend.inputs
        self._outputs = backend.outputs
        self._batches = backend.batches
        self._names = [spec.name for spec in backend.inputs]

    @property
    def inputs(self) -> tuple[TensorSpec, ...]:
        return self._inputs

    @property
    def outputs(self) -> tuple[TensorSpec, ...]:
        return self._outputs

    def example(self) -> Tensors:
        return {spec.name: _zeros(spec) for spec in self._inputs}

    def from_tensors(self, inputs: Tensors, parameters: Mapping[str, Any]) -> Tensors:
        Parameters(parameters, ())
        tensors_named(inputs, self._names)
        for spec in self._inputs:
            _check(spec, inputs[spec.name])
        return inputs

    def to_tensors(self, answer: Tensors) -> Tensors:
        return answer

    def from_json(self, body: Mapping[str, Any]) -> Tensors:
        raise InvalidRequest(
            "this model takes tensors and has no Hugging Face shape; "
            "POST an Open Inference Protocol request to /v2/models/NAME/infer below its URL"
        )

    def to_json(self, answer: Tensors) -> Any:
        return {name: array.tolist() for name, array in answer.items()}

    def encode(self, query: Tensors) -> Encoded[Tensors]:
        sizes = {len(query[name]) for name in self._names} if self._batches else ()
        if len(sizes) != 1:  # what is first in its inputs need not be rows: graphs may compare sets
            return Encoded(query, [Feed(query, 1, object())])
        # Datatypes are the graph's own, so shapes alone say what may be joined.
        key = tuple(query[name].shape[1:] for name in self._names)
        return Encoded(query, [Feed(query, len(query[self._names[0]]), key)])

    def collate(self, feeds: Sequence[Feed]) -> Tensors:
        if len(feeds) == 1:
            return feeds[0].tensors
        return {name: np.concatenate([f.tensors[name] for f in feeds]) for name in self._names}

    def decode(self, encoded: Encoded[Tensors], rows: Sequence[Tensors]) -> Tensors:
        return rows[0]


def _check(spec: TensorSpec, array: Array) -> None:
    sound = (
        array.dtype == DTYPES[spec.datatype]
        and array.ndim == len(spec.shape)
        and all(want in (-1, got) for want, got in zip(spec.shape, array.shape, strict=True))
    )
    if not sound:
        raise expected_tensor(spec.name, f"{spec.datatype} of shape {list(spec.shape)}", array)


def _zeros(spec: TensorSpec) -> Array:
    shape = [1 if size == -1 else size for size in spec.shape]
    dtype = DTYPES[spec.datatype]
    return np.full(shape, b"", dtype) if dtype == np.object_ else np.zeros(shape, dtype)
