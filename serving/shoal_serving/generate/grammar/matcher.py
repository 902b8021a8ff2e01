"""One sequence's way through its grammar."""

from llguidance import LLMatcher

from shoal_serving.generate.grammar.limits import first_line


class Matcher:
    """Follows the tokens of one sequence. Never raises: a failure stays, and is to be asked for.

    For one thread at a time; others may start, and follow, matchers of the same grammar.
    """

    def __init__(self, native: LLMatcher, vocabulary: int) -> None:
        """`vocabulary` is how many tokens the masks of `native` cover."""
        self.native = native
        self.vocabulary = vocabulary

    def accept(self, token: int) -> None:
        """The sequence goes on with `token`."""
        self.native.consume_token(token)

    @property
    def finished(self) -> bool:
        """Nothing but an end token may follow."""
        return bool(self.native.is_stopped()) and not self.native.is_error()

    @property
    def failure(self) -> str | None:
        """Why the grammar cannot be followed any further, such as an expression too complex."""
        if not self.native.is_error():
            return None
        return f"the grammar cannot be followed further: {first_line(self.native.get_error())}"
