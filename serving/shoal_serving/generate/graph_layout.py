"""The keys and values of a decoder's graph, read from its file while no session has it."""

from types import SimpleNamespace
from typing import Any

from shoal.errors import ModelLoadFailed
from shoal_serving.artifacts.decoders import DecoderGraph
from shoal_serving.generate.cache import Layout
from shoal_serving.generate.decoder import layout_of

_TYPES = {1: "tensor(float)", 3: "tensor(int8)", 10: "tensor(float16)"}
"""ONNX's numbers for them, in ONNX Runtime's words."""


def read_layout(graph: DecoderGraph) -> Layout:
    """As a session with that graph has it.

    Raises:
        ModelLoadFailed: the file is no graph.
        ModelUnsupported: it has not the keys and values that are expected.
    """
    import onnx  # takes memory that most processes never need
    from google.protobuf.message import DecodeError

    try:
        model = onnx.load(str(graph.path), load_external_data=False)
    except DecodeError as error:
        raise ModelLoadFailed(
            f"{graph.path.name} is no ONNX graph: {error}.", "Export the model again."
        ) from error
    return layout_of({one.name: _node(one) for one in model.graph.input}, graph.head_size)


def _node(said: Any) -> SimpleNamespace:
    """An input as ONNX Runtime describes it: a dimension is a number or a name."""
    tensor = said.type.tensor_type
    shape = [
        one.dim_value if one.HasField("dim_value") else one.dim_param for one in tensor.shape.dim
    ]
    return SimpleNamespace(name=said.name, type=_TYPES.get(tensor.elem_type), shape=shape)
