"""An ONNX graph as it grows: nodes, constants, and the weights that it names.

A value is the name of a tensor in the graph. Equal operations are one node and equal constants
one initializer; a weight keeps its name and layout of the checkpoint and is in the graph once.
Weights' values are no part of `model()`: they are added when it is written.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from shoal_serving.artifacts.convert.initializer import Initializer, stored
from shoal_serving.artifacts.convert.weights import Weights

# The first opset with Gelu, which ONNX Runtime runs as one kernel on CPU and CUDA. Nothing newer
# is needed, and what is older is read by more execution providers.
OPSET = 20
_IR_VERSION = 9  # the one that came with this opset

# ONNX Runtime's own operators.
MICROSOFT = "com.microsoft"
FLOAT32 = np.dtype(np.float32)

BATCH = "batch"
SEQUENCE = "sequence"


class Graph:
    """A graph under construction over the weights of one checkpoint, which computes in `dtype`."""

    def __init__(self, name: str, weights: Weights, dtype: np.dtype[np.generic] = FLOAT32) -> None:
        self.dtype = dtype
        self.stored = weights
        self._name = name
        self._used: dict[str, Initializer] = {}
        self._constants: dict[str, TensorProto] = {}
        self._nodes: dict[str, onnx.NodeProto] = {}
        self._inputs: list[onnx.ValueInfoProto] = []
        self._outputs: list[onnx.ValueInfoProto] = []

    @property
    def weights(self) -> tuple[Initializer, ...]:
        """The weights that the graph names, in the order of their first use."""
        return tuple(self._used.values())

    def model(self) -> onnx.ModelProto:
        """The model, whole but for its weights."""
        nodes, constants = list(self._nodes.values()), list(self._constants.values())
        graph = helper.make_graph(nodes, self._name, self._inputs, self._outputs, constants)
        opsets = [helper.make_opsetid("", OPSET)]
        if any(node.domain == MICROSOFT for node in nodes):
            opsets.append(helper.make_opsetid(MICROSOFT, 1))
        return helper.make_model(
            graph, opset_imports=opsets, ir_version=_IR_VERSION, producer_name="shoal"
        )

    def input(
        self,
        name: str,
        dtype: int = TensorProto.INT64,
        shape: Sequence[str | int] = (BATCH, SEQUENCE),
    ) -> str:
        """Declare an input."""
        self._inputs.append(helper.make_tensor_value_info(name, dtype, shape))
        return name

    def output(self, name: str, value: str, *shape: str | int) -> None:
        """Declare an output: float32 of this shape."""
        self._nodes[name] = helper.make_node("Identity", [value], [name], name=name)
        self.declare(name, TensorProto.FLOAT, shape)

    def declare(self, name: str, dtype: int, shape: Sequence[str | int]) -> None:
        """Declare an output that a node of this graph already has."""
        self._outputs.append(helper.make_tensor_value_info(name, dtype, shape))

    def op(self, kind: str, *inputs: str, domain: str = "", **attributes: Any) -> str:
        """Apply an operator with one output."""
        key = f"{kind}{inputs}{attributes}"
        if key not in self._nodes:
            value = f"{kind}_{len(self._nodes)}"
            self._add(key, kind, inputs, [value], domain, attributes)
        return str(self._nodes[key].output[0])

    def node(
        self,
        kind: str,
        inputs: Sequence[str],
        outputs: Sequence[str],
        domain: str = "",
        **attributes: Any,
    ) -> None:
        """Apply an operator whose outputs have names of their own; `""` is one not asked for."""
        self._add(f"{kind}{outputs}", kind, inputs, outputs, domain, attributes)

    def _add(
        self,
        key: str,
        kind: str,
        inputs: Sequence[str],
        outputs: Sequence[str],
        domain: str,
        attributes: dict[str, Any],
    ) -> None:
        name = next(output for output in outputs if output)
        self._nodes[key] = helper.make_node(
            kind, inputs, outputs, name=name, domain=domain, **attributes
        )

    def linear(self, value: str, name: str, inputs: int, outputs: int) -> str:
        """`name` applied to a matrix [n, inputs]; weights are stored as [outputs, inputs]."""
        weight = self.weight(f"{name}.weight", outputs, inputs)
        return self.op("Gemm", value, weight, self.weight(f"{name}.bias", outputs), transB=1)

    def norm(self, value: str, name: str, size: int, epsilon: float) -> str:
        """The layer norm `name` over the last dimension."""
        scale, bias = self.weight(f"{name}.weight", size), self.weight(f"{name}.bias", size)
        return self.op("LayerNormalization", value, scale, bias, epsilon=epsilon)

    def weight(self, name: str, *shape: int) -> str:
        """A weight of the checkpoint, which must have this shape."""
        return self.add(stored(self.stored.get(name, shape), self.dtype))

    def add(self, initializer: Initializer) -> str:
        """A tensor that is written with the graph, once however often it is added."""
        self._used.setdefault(initializer.name, initializer)
        return initializer.name

    def has_weight(self, name: str) -> bool:
        return self.stored.find(name) is not None

    def integers(self, *values: int) -> str:
        """An INT64 constant of rank 1."""
        return self.constant(f"int64{list(values)}", np.array(values, np.int64))

    def integer(self, value: int) -> str:
        """An INT64 constant of rank 0."""
        return self.constant(f"int64({value})", np.array(value, np.int64))

    def number(self, value: float) -> str:
        """A float32 constant of rank 0."""
        return self.constant(f"float32({value})", np.array(value, np.float32))

    def constant(self, name: str, values: NDArray[np.generic]) -> str:
        """Values that are part of the model itself, and not of its weights."""
        if name not in self._constants:
            self._constants[name] = numpy_helper.from_array(values, name)
        return name
