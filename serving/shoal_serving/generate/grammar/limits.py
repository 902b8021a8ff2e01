"""What llguidance may spend on a grammar."""

from llguidance import LLParserLimits


def parser_limits() -> LLParserLimits:
    """Its own limits, but for these two.

    A state of the lexer takes one to two kilobytes, and states are kept as long as the grammar.
    Large expressions are not tried on a whole vocabulary beforehand: that could take any time.
    Errors hold no state of the parser, in which there may be pieces of a client's text.
    """
    return LLParserLimits(
        max_lexer_states=100_000, precompute_large_lexemes=False, verbose_errors=False
    )


def first_line(error: str) -> str:
    """What llguidance says is wrong, without its drawings."""
    lines = error.strip().splitlines() or ["unknown error"]
    return lines[0][:300]
