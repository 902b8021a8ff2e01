"""Tensors as the Open Inference Protocol names them: name, datatype, shape."""

from enum import StrEnum
from typing import Any

from pydantic import SerializerFunctionWrapHandler, model_serializer

from shoal.api.base import Wire


class Datatype(StrEnum):
    """The datatypes of the Open Inference Protocol v2, plus Triton's BF16."""

    BOOL = "BOOL"
    UINT8 = "UINT8"
    UINT16 = "UINT16"
    UINT32 = "UINT32"
    UINT64 = "UINT64"
    INT8 = "INT8"
    INT16 = "INT16"
    INT32 = "INT32"
    INT64 = "INT64"
    FP16 = "FP16"
    BF16 = "BF16"
    FP32 = "FP32"
    FP64 = "FP64"
    BYTES = "BYTES"


class TensorSpec(Wire):
    """One input or output of a model."""

    name: str
    """What requests and answers call it."""

    datatype: Datatype
    """Its datatype in the Open Inference Protocol."""

    shape: tuple[int, ...]
    """Its dimensions; -1 is any size."""

    optional: bool = False
    """Whether a request may lack it."""

    @model_serializer(mode="wrap")
    def _said(self, write: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Only what is optional says so."""
        return {name: value for name, value in write(self).items() if name != "optional" or value}
