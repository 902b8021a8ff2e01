"""Rotary positions (Su et al. 2021, https://arxiv.org/abs/2104.09864) and their stretched forms.

Arithmetic is in float32, as in `transformers.modeling_rope_utils`, so that the angles of far
positions are the ones that the model was trained with.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shoal_serving.artifacts.convert.config import Config
from shoal_serving.artifacts.convert.initializer import Initializer

Frequencies = NDArray[np.float32]
_ROWS = 4096  # of a cache, in memory at a time
_UNIT = 8  # GroupQueryAttention rotates this many pairs, or multiples of it


@dataclass(frozen=True, slots=True)
class Rope:
    """`frequencies`: radians per position, for each pair of numbers that is rotated.

    `magnitude` scales what is rotated; `positions` is how many there are.
    """

    frequencies: Frequencies
    magnitude: float
    positions: int

    def caches(self, dtype: np.dtype[np.generic]) -> tuple[Initializer, Initializer]:
        """The cosines and sines, each [positions, pairs]."""
        return (
            self._cache("rope.cos", np.cos, dtype),
            self._cache("rope.sin", np.sin, dtype),
        )

    def _cache(
        self, name: str, wave: Callable[[Frequencies], Frequencies], dtype: np.dtype[np.generic]
    ) -> Initializer:
        def pieces() -> Iterator[NDArray[np.generic]]:
            for start in range(0, self.positions, _ROWS):
                rows = np.arange(start, min(start + _ROWS, self.positions), dtype=np.float32)
                angles = np.outer(rows, self.frequencies)
                yield (wave(angles) * np.float32(self.magnitude)).astype(dtype)

        return Initializer(name, dtype, (self.positions, len(self.frequencies)), pieces)


def read_rope(config: Config, head: int) -> Rope:
    """The rotation that config.json describes, for heads of `head` numbers.

    Raises:
        ModelUnsupported: a kind of scaling, or a part of a head, that is not supported.
    """
    # transformers 5 keeps all of it in rope_parameters, older versions in two places.
    section = config.section("rope_parameters") or config.section("rope_scaling") or Config({})
    kind = section.text("rope_type", section.text("type", "default"))
    if kind not in _SCALINGS:
        key = "rope_type" if section.value("rope_type") is not None else "type"
        raise section.unsupported(key, ", ".join(_SCALINGS))
    base = section.number("rope_theta", config.number("rope_theta", 10000.0))
    positions = config.integer("max_position_embeddings")
    rotated = _rotated(config, section, head)
    exponents = np.arange(0, rotated, 2, dtype=np.float32) / np.float32(rotated)
    plain = _Plain(base, exponents, positions)
    return _SCALINGS[kind](plain, section)


@dataclass(frozen=True, slots=True)
class _Plain:
    """Rotary positions before they are stretched."""

    base: float
    exponents: Frequencies
    positions: int

    @property
    def frequencies(self) -> Frequencies:
        return (1.0 / (self.base**self.exponents)).astype(np.float32)


def _rotated(config: Config, section: Config, head: int) -> int:
    """How many numbers of a head are rotated."""
    holder = section if section.value("partial_rotary_factor") is not None else config
    share = holder.number("partial_rotary_factor", 1.0)
    rotated = int(head * share)
    if share > 1 or rotated % (2 * _UNIT) or not rotated:
        raise holder.unsupported(
            "partial_rotary_factor",
            f"up to 1, and {2 * _UNIT} numbers of a head or multiples of it",
        )
    return rotated


def _default(plain: _Plain, section: Config) -> Rope:
    return Rope(plain.frequencies, 1.0, plain.positions)


def _linear(plain: _Plain, section: Config) -> Rope:
    """Positions are divided (Chen et al. 2023, https://arxiv.org/abs/2306.15595)."""
    factor = np.float32(section.number("factor"))
    return Rope(plain.frequencies / factor, 1.0, plain.positions)


def _llama3(plain: _Plain, section: Config) -> Rope:
    """Low frequencies are divided, high ones kept, and those between blended.

    As Meta's `apply_scaling` (https://github.com/meta-llama/llama-models, llama3/model.py).
    """
    factor, old = section.number("factor"), section.number("original_max_position_embeddings")
    low, high = section.number("low_freq_factor"), section.number("high_freq_factor")
    if low >= high:
        raise section.unsupported("low_freq_factor", "less than high_freq_factor")
    turns = old * plain.frequencies / (2 * math.pi)  # within the original context
    kept = np.clip((turns - low) / (high - low), 0, 1)
    frequencies = plain.frequencies * (kept + (1 - kept) / factor)
    return Rope(frequencies.astype(np.float32), 1.0, plain.positions)


def _yarn(plain: _Plain, section: Config) -> Rope:
    """YaRN (Peng et al. 2023, https://arxiv.org/abs/2309.00071), section 3.2 and 3.4."""
    for key in ("mscale", "mscale_all_dim"):
        if section.value(key) is not None:
            raise section.unsupported(key, "attention_factor, or neither")
    if not section.flag("truncate", default=True):
        raise section.unsupported("truncate", "true")
    factor = section.number("factor")
    old = section.integer("original_max_position_embeddings", plain.positions)
    pairs = len(plain.exponents)

    def pair_of(turns: float) -> float:
        """Which pair makes so many turns within the original context."""
        return pairs * math.log(old / (turns * 2 * math.pi)) / math.log(plain.base)

    low = max(math.floor(pair_of(section.number("beta_fast", 32))), 0)
    high = min(math.ceil(pair_of(section.number("beta_slow", 1))), 2 * pairs - 1)
    stretched = np.clip((np.arange(pairs) - low) / max(high - low, 0.001), 0, 1)
    frequencies = plain.frequencies * (1 - stretched + stretched / factor)
    magnitude = section.number("attention_factor", max(0.1 * math.log(factor) + 1, 1.0))
    positions = max(plain.positions, math.floor(old * factor))
    return Rope(frequencies.astype(np.float32), magnitude, positions)


_SCALINGS: dict[str, Callable[[_Plain, Config], Rope]] = {
    "default": _default,
    "linear": _linear,
    "llama3": _llama3,
    "yarn": _yarn,
}
