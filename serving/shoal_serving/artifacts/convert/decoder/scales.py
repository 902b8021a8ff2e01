"""Of what steps keys and values are multiples where they are kept as int8.

Each number of each head has its own step: some of the keys' are a hundred times as large as others,
and one step for all would leave those nothing (Liu et al. 2024, https://arxiv.org/abs/2402.02750).
What lies beyond 127 steps is cut off, which hurts far more than a step that is too wide. So steps
are made for a half more than the largest that was seen.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

Reach = NDArray[np.float32]
# By the name of the past: FLOAT [1, kv_heads, 1, head_dim].
CacheScales = Mapping[str, Reach]

_STEPS = 127
_MARGIN = 1.5


def reach_of_keys(keys: NDArray[Any], pairs: int) -> Reach:
    """How far from 0 keys [B, kv_heads, tokens, head_dim] come, of which `pairs` are rotated.

    A pair turns with its position, and either number of it may become as large as both together.
    """
    keys = keys.astype(np.float32)
    lengths = np.hypot(keys[..., :pairs], keys[..., pairs : 2 * pairs])
    return reach_of_values(np.concatenate([lengths, lengths, keys[..., 2 * pairs :]], -1))


def reach_of_values(values: NDArray[Any]) -> Reach:
    """How far from 0 values [B, kv_heads, tokens, head_dim] come: [1, kv_heads, 1, head_dim]."""
    reach: Reach = np.abs(values).max((0, 2), keepdims=True).astype(np.float32)
    return reach


def scales_of(reach: Reach) -> Reach:
    """The steps for what comes so far; what was always 0 has any."""
    return np.where(reach > 0, reach * np.float32(_MARGIN / _STEPS), np.float32(1))
