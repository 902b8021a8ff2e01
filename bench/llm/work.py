"""What is asked: prompts of tokens and how many are to follow. The same for every engine.

No two prompts are alike, also not in different rounds, so that nothing is known from before; but
for those that are to share a beginning.
"""

import random
from dataclasses import dataclass
from pathlib import Path

TINY = Path(__file__).parents[2] / "manifests/samples/models/tiny-chat"
# Ordinary tokens of both models.
FIRST, LAST = 300, 2000
SHORTEST, LONGEST = 16, 47


@dataclass(frozen=True)
class Work:
    """Prompts that come at once, and the new tokens of each."""

    prompts: list[list[int]]
    new: list[int]

    @property
    def tokens(self) -> int:
        return sum(self.new)


def uniform(rows: int, new: int, seed: object) -> Work:
    """Prompts of 16 to 47 tokens; everyone is to get as many new ones."""
    return Work(_prompts(rows, f"uniform {rows} {seed}"), [new] * rows)


def mixed(rows: int, seed: int) -> Work:
    """Answers of lengths as users have them: exponential, 32 in the mean, 4 to 128."""
    lengths = random.Random(0)
    new = [min(128, max(4, int(lengths.expovariate(1 / 32)))) for _ in range(rows)]
    return Work(_prompts(rows, f"mixed {seed}"), new)


def tokens(count: int, seed: object) -> list[int]:
    source = random.Random(str(seed))
    return [source.randrange(FIRST, LAST) for _ in range(count)]


def _prompts(rows: int, seed: str) -> list[list[int]]:
    """Their lengths are the same for every seed."""
    lengths = random.Random(1)
    return [tokens(lengths.randint(SHORTEST, LONGEST), f"{seed} {row}") for row in range(rows)]
