"""Which way of keeping weights a checkpoint and a precision call for."""

import numpy as np

from shoal.errors import ModelUnsupported
from shoal_serving.artifacts.convert.config import Config
from shoal_serving.artifacts.convert.decoder.packed import Packed
from shoal_serving.artifacts.convert.decoder.rounded import Rounded
from shoal_serving.artifacts.convert.decoder.storage import Storage, Whole
from shoal_serving.artifacts.convert.graph import FLOAT32
from shoal_serving.artifacts.convert.precision import Precision

_STORAGES: dict[Precision, Storage] = {
    Precision.FP32: Whole(FLOAT32),
    Precision.FP16: Whole(np.dtype(np.float16)),
    Precision.INT8: Rounded(8),
    Precision.INT4: Rounded(4),
}
_GROUPS = (16, 32, 64, 128, 256)
_IN_ORDER = (0, 1, 2, 3, 4, 5, 6, 7)
_INTERLEAVED = (0, 2, 4, 6, 1, 3, 5, 7)


def read_storage(config: Config, precision: Precision | None) -> Storage:
    """How the weights are to be kept.

    Raises:
        ModelUnsupported: the checkpoint is quantized in another way, or to another precision.
    """
    section = config.section("quantization_config")
    if section is None:
        return _STORAGES[precision or Precision.FP32]
    if precision not in (None, Precision.INT4):
        raise ModelUnsupported(
            f"The checkpoint is quantized to int4; {precision} was asked for.",
            "Leave the precision out, or use the checkpoint before it was quantized.",
        )
    return _read_packed(section)


def _read_packed(section: Config) -> Packed:
    method = section.text("quant_method", "")
    if method not in _METHODS:
        raise section.unsupported("quant_method", " and ".join(_METHODS))
    if section.value("bits") != 4:
        raise section.unsupported("bits", "4")
    if section.value("group_size") not in _GROUPS:
        raise section.unsupported("group_size", ", ".join(map(str, _GROUPS)))
    return _METHODS[method](section)


def _gptq(section: Config) -> Packed:
    form = section.text("checkpoint_format", "gptq")
    if form not in ("gptq", "gptq_v2"):
        raise section.unsupported("checkpoint_format", "gptq and gptq_v2")
    if section.value("dynamic"):
        raise section.unsupported("dynamic", "one way for all layers")
    less = 1 if form == "gptq" else 0
    return Packed(section.integer("group_size"), by_inputs=True, order=_IN_ORDER, less=less)


def _awq(section: Config) -> Packed:
    if section.text("version", "gemm").lower() != "gemm":
        raise section.unsupported("version", "gemm")
    return Packed(section.integer("group_size"), by_inputs=False, order=_INTERLEAVED, less=0)


_METHODS = {"gptq": _gptq, "awq": _awq}
