"""Which way of keeping weights a checkpoint and a precision call for."""

import numpy as np

from shoal.errors import ModelUnsupported
from shoal_serving.artifacts.convert.config import Config
from shoal_serving.artifacts.convert.decoder.packed import Packed
from shoal_serving.artifacts.convert.decoder.rounded import Rounded
from shoal_serving.artifacts.convert.decoder.storage import Storage, Whole
from shoal_serving.artifacts.convert.graph import FLOAT32
from shoal_serving.artifacts.convert.precision import Precision
from shoal_serving.device import Device

_FLOAT16 = np.dtype(np.float16)
# What ONNX Runtime's attention computes in, where there is a choice.
_DTYPES: dict[Device, np.dtype[np.generic]] = {Device.CPU: FLOAT32, Device.CUDA: _FLOAT16}
_GROUPS = (16, 32, 64, 128, 256)
_IN_ORDER = (0, 1, 2, 3, 4, 5, 6, 7)
_INTERLEAVED = (0, 2, 4, 6, 1, 3, 5, 7)


def read_storage(
    config: Config, precision: Precision | None, device: Device = Device.CPU
) -> Storage:
    """How the weights are to be kept, and what the graph computes in.

    Raises:
        ModelUnsupported: the checkpoint is quantized in another way, or to another precision; or
            the device does not compute in this one.
    """
    section, dtype = config.section("quantization_config"), _DTYPES[device]
    if section is None:
        return _of_floats(precision, dtype)
    if precision not in (None, Precision.INT4):
        raise ModelUnsupported(
            f"The checkpoint is quantized to int4; {precision} was asked for.",
            "Leave the precision out, or use the checkpoint before it was quantized.",
        )
    return _read_packed(section, dtype)


def _of_floats(precision: Precision | None, dtype: np.dtype[np.generic]) -> Storage:
    match precision:
        case Precision.INT8:
            return Rounded(8, dtype)
        case Precision.INT4:
            return Rounded(4, dtype)
        case Precision.FP16:
            return Whole(_FLOAT16)
        case Precision.FP32 if dtype != FLOAT32:
            raise ModelUnsupported(
                "fp32 was asked for; ONNX Runtime's attention on a GPU computes in fp16 only.",
                "Use precision auto, fp16, int8 or int4, or the CPU.",
            )
    return Whole(dtype)


def _read_packed(section: Config, dtype: np.dtype[np.generic]) -> Packed:
    method = section.text("quant_method", "")
    if method not in _METHODS:
        raise section.unsupported("quant_method", " and ".join(_METHODS))
    if section.value("bits") != 4:
        raise section.unsupported("bits", "4")
    if section.value("group_size") not in _GROUPS:
        raise section.unsupported("group_size", ", ".join(map(str, _GROUPS)))
    return _METHODS[method](section, dtype)


def _gptq(section: Config, dtype: np.dtype[np.generic]) -> Packed:
    form = section.text("checkpoint_format", "gptq")
    if form not in ("gptq", "gptq_v2"):
        raise section.unsupported("checkpoint_format", "gptq and gptq_v2")
    if section.value("dynamic"):
        raise section.unsupported("dynamic", "one way for all layers")
    less = 1 if form == "gptq" else 0
    return Packed(section.integer("group_size"), True, _IN_ORDER, less, dtype)


def _awq(section: Config, dtype: np.dtype[np.generic]) -> Packed:
    if section.text("version", "gemm").lower() != "gemm":
        raise section.unsupported("version", "gemm")
    return Packed(section.integer("group_size"), False, _INTERLEAVED, 0, dtype)


_METHODS = {"gptq": _gptq, "awq": _awq}
