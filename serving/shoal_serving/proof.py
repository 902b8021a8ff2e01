"""The proof that a model works: one real inference whose answer can be checked.

The query is the model folder's `sample.json` (an Open Inference Protocol request; `expected` beside
`inputs` holds the tensors that must come back), else the task's own example.
"""

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from shoal.api.tensors import Datatype, TensorSpec
from shoal.errors import InvalidRequest, ProofFailed
from shoal_serving.http import oip
from shoal_serving.tasks import Task
from shoal_serving.tensors import Array, Tensors

SAMPLE = "sample.json"
# Processors and providers round differently; a wrong model is wrong by far more than this.
RELATIVE, ABSOLUTE = 1e-2, 1e-3
# A request with more numbers than this is nothing that a person pastes.
MOST_ELEMENTS = 4096


@dataclass(slots=True)
class Proof:
    """A query, and the tensors that must come back (none: anything that has the right shape).

    `request` is the query as a request that a person could send; None where it would be too long.
    """

    query: Any
    request: dict[str, Any] | None
    expected: Tensors = field(default_factory=dict)


def read_proof(folder: Path, task: Task[Any, Any]) -> Proof:
    """The folder's sample, else the task's own example.

    Raises:
        ProofFailed: the sample is not a request that this model can take.
    """
    path = folder / SAMPLE
    if not path.is_file():
        return Proof(task.example(), _example(task.inputs))
    try:
        sample = json.loads(path.read_bytes())
        request = oip.decode(json.dumps(sample).encode(), None, task.inputs)
        query = task.from_tensors(request.inputs, request.parameters)
        return Proof(query, _request(sample), _expected(sample, task))
    except (ValueError, AttributeError, TypeError, InvalidRequest) as error:
        raise ProofFailed(
            f"{SAMPLE} is not a request for this model: {error}.",
            f"Correct {SAMPLE} in the model's folder, or remove it.",
        ) from error


def check_answer(proof: Proof, answer: Tensors) -> None:
    """Compare an answer with what the sample expects.

    Raises:
        ProofFailed: an expected output is missing or differs; it is named with both values.
    """
    for name, expected in proof.expected.items():
        actual = answer.get(name)
        if actual is None or not _alike(expected, actual):
            raise ProofFailed(
                f"The answer to {SAMPLE} has {name} = {_shown(actual)}, "
                f"expected {_shown(expected)}.",
                f"Serve the files that {SAMPLE} was made with, or correct its `expected`.",
            )


def _example(specs: Sequence[TensorSpec]) -> dict[str, Any] | None:
    needed = [spec for spec in specs if not spec.optional]
    if sum(math.prod(_shape(spec)) for spec in needed) > MOST_ELEMENTS:
        return None
    return {"inputs": [_plain(spec) for spec in needed]}


def _plain(spec: TensorSpec) -> dict[str, Any]:
    """Zeros, or a word."""
    shape = _shape(spec)
    zero: Any = _ZEROS.get(spec.datatype, 0)
    data = [zero] * math.prod(shape)
    return {"name": spec.name, "datatype": spec.datatype.value, "shape": shape, "data": data}


def _shape(spec: TensorSpec) -> list[int]:
    """With dynamic dimensions 1."""
    return [1 if size == -1 else size for size in spec.shape]


_ZEROS = {Datatype.BYTES: "example", Datatype.BOOL: False}


def _request(sample: dict[str, Any]) -> dict[str, Any]:
    return {field: value for field, value in sample.items() if field != "expected"}


def _expected(sample: dict[str, Any], task: Task[Any, Any]) -> Tensors:
    if "expected" not in sample:
        return {}
    listed = {tensor.get("name") for tensor in sample["expected"]}
    specs = [spec for spec in task.outputs if spec.name in listed]
    body = json.dumps({"inputs": sample["expected"]}).encode()
    return oip.decode(body, None, specs).inputs


def _alike(expected: Array, actual: Array) -> bool:
    if expected.shape != actual.shape:
        return False
    if expected.dtype.kind in "fV":
        return np.allclose(
            actual.astype(np.float64), expected.astype(np.float64), RELATIVE, ABSOLUTE
        )
    return bool((expected == actual).all())


def _shown(array: Array | None) -> str:
    return "nothing" if array is None else np.array2string(array, threshold=8, precision=4)
