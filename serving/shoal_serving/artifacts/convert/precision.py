"""In how many bits a model is to compute, and to keep its weights."""

from enum import StrEnum


class Precision(StrEnum):
    """What the weights are kept in.

    FP32 and FP16 compute in the same. INT8 and INT4 compute in float32, on a GPU in float16, on
    weights that are rounded in blocks of 32 along each row, and are unpacked as they are used.
    """

    FP32 = "fp32"
    FP16 = "fp16"
    INT8 = "int8"
    INT4 = "int4"
