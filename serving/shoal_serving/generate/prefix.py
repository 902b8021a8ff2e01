"""Keys and values of prompts that may come again: system prompts, conversations.

Tokens are kept in blocks; a block is known by a hash over its tokens and all that stand before them
(as in vLLM's automatic prefix caching), so a prefix that two prompts share is one chain of blocks.
Those that were not used for longest are dropped first, the end of a chain before its beginning.
"""

import hashlib
import itertools
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence

import numpy as np

from shoal_serving.generate.cache import Block

BLOCK = 16


class PrefixCache:
    """Blocks of `BLOCK` tokens and `block_bytes` bytes each, at most `limit` bytes of them."""

    def __init__(self, limit: int, block_bytes: int) -> None:
        self.limit = limit
        self._most = limit // block_bytes
        self._block_bytes = block_bytes
        self._blocks: OrderedDict[bytes, Block] = OrderedDict()

    @property
    def size(self) -> int:
        """Bytes that are taken."""
        return len(self._blocks) * self._block_bytes

    def find(self, tokens: Sequence[int], variant: str) -> list[Block]:
        """The blocks of the longest known prefix that leaves a token to compute.

        `variant` names what else keys and values depend on: the adapter.
        """
        whole = (len(tokens) - 1) // BLOCK
        known = itertools.takewhile(self._blocks.__contains__, _keys(tokens, whole, variant))
        chain = list(known)
        self._touch(chain)
        return [self._blocks[key] for key in chain]

    def keep(self, tokens: Sequence[int], variant: str, read: Callable[[int, int], Block]) -> None:
        """Remember the whole blocks of `tokens`; `read` copies those from a start to a stop."""
        whole = min(len(tokens) // BLOCK, self._most)
        chain = list(_keys(tokens, whole, variant))
        self._touch([key for key in chain if key in self._blocks])
        for number, key in enumerate(chain):
            if key not in self._blocks:
                self._shrink(self._most - 1)
                self._blocks[key] = read(number * BLOCK, (number + 1) * BLOCK)
        self._touch(chain)

    def resize(self, limit: int) -> None:
        """Keep at most so many bytes from here on."""
        self.limit = limit
        self._most = limit // self._block_bytes
        self._shrink(self._most)

    def clear(self) -> None:
        self._blocks.clear()

    def _shrink(self, most: int) -> None:
        while len(self._blocks) > most:
            self._blocks.popitem(last=False)

    def _touch(self, chain: list[bytes]) -> None:
        """The beginning of a chain is used whenever its end is, so it is the most recent."""
        for key in reversed(chain):
            self._blocks.move_to_end(key)


def _keys(tokens: Sequence[int], blocks: int, variant: str) -> Iterator[bytes]:
    key = variant.encode()
    values = np.array(tokens[: blocks * BLOCK], np.int64).reshape(blocks, BLOCK)
    for block in values:
        key = hashlib.blake2b(key + block.tobytes(), digest_size=16).digest()
        yield key
