"""What a text with tool calls consists of, in the order of OpenAI's deltas."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Content:
    """Text for the reader."""

    text: str


@dataclass(frozen=True, slots=True)
class CallStarted:
    """Call number `index`, from 0, to the tool of that name."""

    index: int
    name: str


@dataclass(frozen=True, slots=True)
class CallArguments:
    """More of the arguments of call number `index`: JSON, just as the model wrote it."""

    index: int
    text: str


Piece = Content | CallStarted | CallArguments
