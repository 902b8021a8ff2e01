"""One sequence on its way through the engine: its tokens, and how many of them are computed."""

from collections.abc import Sequence as Tokens


class Sequence:
    """Tokens of a prompt, and those that were generated behind them.

    `computed` tokens have their keys and values in the cache, in row `row`; the rest is pending.
    The engine always computes what is pending and then samples the next token, so a sequence in
    decode has one token pending and a longer prompt has many.
    """

    __slots__ = (
        "computed",
        "leader",
        "limit",
        "most",
        "number",
        "priority",
        "prompt",
        "row",
        "tokens",
    )

    def __init__(
        self,
        number: int,
        prompt: Tokens[int],
        limit: int,
        priority: int = 0,
        most: int | None = None,
    ) -> None:
        """`number` grows with every sequence. `limit` is the most tokens, prompt and answer, and
        `most` the most that are computed at once. A smaller `priority` goes first.
        """
        self.number = number
        self.prompt = len(prompt)
        self.limit = limit
        self.priority = priority
        self.most = most
        self.tokens = list(prompt)
        self.computed = 0
        self.row: int | None = None
        # One that computes what this one's prompt begins with, too.
        self.leader: Sequence | None = None

    @property
    def pending(self) -> int:
        """How many tokens must be computed before the next one can be sampled."""
        return len(self.tokens) - self.computed

    @property
    def held(self) -> bool:
        """Whether it waits for its leader's prompt."""
        leader = self.leader
        return leader is not None and leader.row is not None and not leader.generated

    @property
    def generated(self) -> int:
        return len(self.tokens) - self.prompt

    @property
    def rank(self) -> tuple[int, int]:
        """Whose turn comes first: by priority, then by arrival."""
        return (self.priority, self.number)
