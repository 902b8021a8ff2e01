"""How many sequences a model has room for, from the memory that it may take."""

from dataclasses import dataclass

from shoal.errors import MemoryExceeded
from shoal_serving.generate.cache import Layout


@dataclass(frozen=True, slots=True)
class Room:
    """`sequences` at once, of at most `tokens` each; sizes are in bytes."""

    sequences: int
    tokens: int
    kv_bytes: int
    logits_bytes: int
    prefix_bytes: int

    @property
    def bytes(self) -> int:
        """All that generating may add to a model that has been loaded and run."""
        return self.kv_bytes + self.logits_bytes + self.prefix_bytes


def plan_room(
    layout: Layout,
    vocabulary: int,
    sequences: int,
    tokens: int,
    prefix_bytes: int,
    available: int | None,
) -> Room:
    """Room for as many `sequences` of `tokens` as fit into `available` bytes with the prefixes.

    Raises:
        MemoryExceeded: not even one of them fits.
    """
    kv, logits = layout.token_bytes * tokens, 4 * vocabulary
    each = kv + logits
    if available is not None:
        sequences = min(sequences, (available - prefix_bytes) // each)
    if sequences < 1:
        assert available is not None
        raise MemoryExceeded(
            f"The cache of one sequence of {tokens} tokens takes {_mebibytes(each)}, kept "
            f"prefixes {_mebibytes(prefix_bytes)}; the model leaves {_mebibytes(available)}.",
            "Raise spec.resources.memory, or lower spec.generation.maxTokens or .prefixCache.",
        )
    return Room(sequences, tokens, sequences * kv, sequences * logits, prefix_bytes)


def _mebibytes(size: int) -> str:
    return f"{size / 2**20:.0f} MiB"
