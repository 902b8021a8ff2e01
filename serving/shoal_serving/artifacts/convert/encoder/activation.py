"""What lies between a layer's two linear layers, by the names of transformers."""

from typing import Any

from shoal.errors import ModelUnsupported
from shoal_serving.artifacts.convert.config import EXPORT
from shoal_serving.artifacts.convert.graph import Graph

_ACTIVATIONS: dict[str, tuple[str, dict[str, Any]]] = {
    "gelu": ("Gelu", {}),
    "gelu_new": ("Gelu", {"approximate": "tanh"}),
    "gelu_pytorch_tanh": ("Gelu", {"approximate": "tanh"}),
    "relu": ("Relu", {}),
}


def activate(graph: Graph, value: str, name: str) -> str:
    """Apply the activation of that name.

    Raises:
        ModelUnsupported: it is another.
    """
    if name not in _ACTIVATIONS:
        raise ModelUnsupported(
            f"config.json says the activation {name!r}; "
            f"the conversion supports {', '.join(_ACTIVATIONS)}.",
            EXPORT,
        )
    kind, attributes = _ACTIVATIONS[name]
    return graph.op(kind, value, **attributes)
