"""A conversation with a model: what was said so far, and the next answer, printed as it comes."""

import sys
from collections.abc import Callable, Generator, Sequence
from contextlib import closing

import click

from shoal.cli.completions import Piece
from shoal.cli.exits import warn

Message = dict[str, str]
Ask = Callable[[Sequence[Message]], Generator[Piece, None, None]]

# A terminal would obey them, whoever made the model say them.
_CONTROLS = {
    code: "\N{REPLACEMENT CHARACTER}"
    for code in (*range(32), *range(127, 160))
    if chr(code) not in "\n\t"
}


class Conversation:
    """What both sides said. `ask` sends messages, in OpenAI's shape, and gives the answer."""

    def __init__(self, ask: Ask, system: str = "") -> None:
        self.system = system
        self._ask = ask
        self._said: list[Message] = []

    def forget(self) -> None:
        """Begin anew, with the same system message."""
        self._said = []

    def send(self, text: str) -> None:
        """Say something, and print the answer on stdout.

        However it ends, what was printed was said; where nothing was, the text was not said either.

        Raises:
            InferenceFailed: the model refused, or the answer did not come to its end.
        """
        question = {"role": "user", "content": text}
        answer: list[str] = []
        try:
            self._print([*self._opening(), *self._said, question], answer)
        finally:
            if any(answer):
                click.echo()
                self._said += [question, {"role": "assistant", "content": "".join(answer)}]

    def _print(self, messages: Sequence[Message], answer: list[str]) -> None:
        finish = None
        with closing(self._ask(messages)) as pieces:
            for piece in pieces:
                answer.append(piece.text)
                click.echo(_shown(piece.text), nl=False, color=True)
                finish = piece.finish or finish
        if finish == "length":
            _say_cut_off()

    def _opening(self) -> list[Message]:
        return [{"role": "system", "content": self.system}] if self.system else []


def _shown(text: str) -> str:
    return text.translate(_CONTROLS) if sys.stdout.isatty() else text


def _say_cut_off() -> None:
    warn("the answer is as long as --max-tokens, or the Model's maxTokens, allows.")
