"""An adapter in memory: what it adds to which projections."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


class Module(NamedTuple):
    """A projection of one layer, such as q_proj of layer 0."""

    layer: int
    projection: str

    def __str__(self) -> str:
        return f"{self.projection} of layer {self.layer}"


@dataclass(frozen=True, slots=True)
class LowRank:
    """What is added to a projection of x: x A' B.

    `a`: FLOAT [rank, inputs]. `b`: FLOAT [rank, outputs], with the adapter's scale in it.
    """

    a: NDArray[np.float32]
    b: NDArray[np.float32]

    @property
    def rank(self) -> int:
        return len(self.a)


@dataclass(frozen=True, slots=True)
class Adapter:
    """A LoRA adapter under the name that requests call it by."""

    name: str
    modules: Mapping[Module, LowRank]

    @property
    def rank(self) -> int:
        """The largest of its modules."""
        return max(change.rank for change in self.modules.values())

    @property
    def projections(self) -> frozenset[str]:
        return frozenset(module.projection for module in self.modules)


def projections_of(adapters: Iterable[Adapter]) -> tuple[str, ...]:
    """The projections that any of them changes, which their base is to be converted with."""
    return tuple(sorted({name for adapter in adapters for name in adapter.projections}))
