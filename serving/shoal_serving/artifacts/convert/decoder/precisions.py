"""Which way of keeping weights a checkpoint and a precision call for."""

import numpy as np

from shoal_serving.artifacts.convert.config import Config
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


def read_storage(config: Config, precision: Precision | None) -> Storage:
    """How the weights are to be kept; without a precision, as floats of 32 bits."""
    return _STORAGES[precision or Precision.FP32]
