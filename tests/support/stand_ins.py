"""Models whose arithmetic is in the test: a backend in NumPy that stops where a test holds it."""

import asyncio
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from shoal.api.model import Backend, Batching, OnnxRuntime, Source, Task
from shoal.api.runtime import ModelRevision
from shoal.api.tensors import Datatype, TensorSpec
from shoal_serving.batched_model import BatchedModel
from shoal_serving.proof import Proof
from shoal_serving.tasks.tensor import TensorTask
from shoal_serving.tensors import Tensors

PATIENCE_S = 30.0


def spec(
    name: str, shape: tuple[int, ...] = (-1, 2), datatype: Datatype = Datatype.FP32
) -> TensorSpec:
    return TensorSpec(name=name, datatype=datatype, shape=shape)


def doubled(inputs: Tensors) -> Tensors:
    """Y = 2x, and a poisonous x is one that holds 13."""
    if (inputs["x"] == 13).any():
        raise ValueError("13 is poison")
    return {"y": inputs["x"] * 2}


@dataclass
class Arithmetic:
    """A backend. `runs` are each run's inputs; between `hold` and `let_go` runs stand still."""

    compute: Callable[[Tensors], Tensors] = doubled
    inputs: tuple[TensorSpec, ...] = (spec("x"),)
    outputs: tuple[TensorSpec, ...] = (spec("y"),)
    batches: bool = True
    runs: list[Tensors] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._free, self._entered, self._closed = (threading.Event() for _ in range(3))
        self._free.set()

    def run(self, inputs: Tensors, outputs: Any = None) -> Tensors:
        self.runs.append(inputs)
        self._entered.set()
        assert self._free.wait(PATIENCE_S), "a run was held and never let go"
        return self.compute(inputs)

    def close(self) -> None:
        self._closed.set()

    @property
    def closed(self) -> bool:
        return self._closed.is_set()

    async def was_closed(self) -> None:
        """Wait until it is closed."""
        assert await asyncio.to_thread(self._closed.wait, PATIENCE_S), "nobody closed it"

    def hold(self) -> None:
        self._free.clear()
        self._entered.clear()

    async def entered(self) -> None:
        """Wait until a run stands still."""
        assert await asyncio.to_thread(self._entered.wait, PATIENCE_S), "nothing ran"

    def let_go(self) -> None:
        self._free.set()


def revision(generation: int = 1, uri: str = "file:///models/m", **batching: Any) -> ModelRevision:
    return ModelRevision(
        generation=generation,
        task=Task.TENSOR,
        source=Source(uri=uri),
        backend=Backend(onnx_runtime=OnnxRuntime()),
        batching=Batching(**batching),
    )


def loaded(
    backend: Any = None,
    task: Any = None,
    name: str = "m",
    config: ModelRevision | None = None,
    **batching: Any,
) -> BatchedModel:
    """A model as it is before it was warmed: every run goes to its thread."""
    backend = backend or Arithmetic()
    task = task or TensorTask(backend)
    config = config or revision(**batching)
    model = BatchedModel(
        name=name,
        revision=f"r{config.generation}",
        digest="sha256:" + "0" * 64,
        config=config,
        task=task,
        backend=backend,
        proof=Proof(task.example(), None),
    )
    model.tune(config)
    return model


def rows(*values: float) -> Tensors:
    """A query for `Arithmetic`: one row [value, value] for each value."""
    return {"x": np.array([[value, value] for value in values], np.float32).reshape(-1, 2)}
