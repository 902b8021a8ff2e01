"""How many sequences a model has room for, from the memory that it may take."""

from dataclasses import dataclass

from shoal.errors import MemoryExceeded
from shoal_serving.generate.cache import Layout
from shoal_serving.measure import mebibytes

# Prompts' own logits are as large as this, at most, in one run.
SCORED_BYTES = 16 * 2**20


@dataclass(frozen=True, slots=True)
class Room:
    """`sequences` at once, of at most `tokens` each; sizes are in bytes."""

    sequences: int
    tokens: int
    kv_bytes: int
    logits_bytes: int
    prefix_bytes: int
    on_gpu: bool = False

    @property
    def bytes(self) -> int:
        """All that generating may add to the process of a model that has been loaded and run.

        `on_gpu`: without the keys and values, which are in the GPU's memory.
        """
        return (0 if self.on_gpu else self.kv_bytes) + self.logits_bytes + self.prefix_bytes


def plan_room(
    layout: Layout,
    vocabulary: int,
    sequences: int,
    tokens: int,
    prefix_bytes: int,
    available: int | None,
    on_gpu: bool = False,
) -> Room:
    """Room for as many `sequences` of `tokens` as fit into `available` bytes with the prefixes.

    `on_gpu`: keys and values are not among those bytes. All of them that are wanted are taken from
    the GPU, or none.

    Raises:
        MemoryExceeded: not even one of them fits.
    """
    kv, logits = layout.token_bytes * tokens, 4 * vocabulary
    each = logits if on_gpu else kv + logits
    if available is not None:
        sequences = min(sequences, (available - prefix_bytes - SCORED_BYTES) // each)
    if sequences < 1:
        assert available is not None
        raise MemoryExceeded(
            f"One sequence of {tokens} tokens takes {mebibytes(each)}, kept "
            f"prefixes {mebibytes(prefix_bytes)}, logits of prompts {mebibytes(SCORED_BYTES)}; "
            f"the model leaves {mebibytes(available)}.",
            "Raise spec.resources.memory, or lower spec.generation.maxTokens or .prefixCache.",
        )
    rows = sequences * logits + SCORED_BYTES
    return Room(sequences, tokens, sequences * kv, rows, prefix_bytes, on_gpu)
