"""Where a model runs, and a decoder keeps its keys and values."""

from enum import StrEnum


class Device(StrEnum):
    """As ONNX Runtime names it when memory is bound."""

    CPU = "cpu"
    CUDA = "cuda"
