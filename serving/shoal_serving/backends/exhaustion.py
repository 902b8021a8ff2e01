"""ONNX Runtime's words where a run finds no memory.

A session that may take a part of a GPU only says how much of that is left; it can run what is
smaller afterwards. Where the device itself has none left, it says what it asked for.
"""

import re

from shoal.errors import MemoryUsedUp
from shoal_serving.measure import mebibytes

# What the owner of a model for which there is no room can do.
ROOM = "Raise spec.resources.gpu.memory on a GPU, else spec.resources.memory"

_SHARE = re.compile(r"Available memory of (\d+) is smaller than requested bytes of (\d+)")
_DEVICE = re.compile("allocate memory|CUDA failure 2:|bad_alloc", re.IGNORECASE)


def exhaustion(said: str) -> MemoryUsedUp | None:
    """The error that `said` tells of; None if it is about something else."""
    share = _SHARE.search(said)
    if share:
        left, wanted = (mebibytes(int(size)) for size in share.groups())
        return MemoryUsedUp(
            f"the model's share of the GPU is used up: a run wants {wanted} more, {left} are left"
        )
    if _DEVICE.search(said):
        return MemoryUsedUp(f"the machine failed: {said}")
    return None
