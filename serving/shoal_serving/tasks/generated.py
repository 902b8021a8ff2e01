"""Texts to generate, and texts that were generated: the query and the answer of text-generation."""

from collections.abc import Sequence
from dataclasses import dataclass

from shoal_serving.generate.request import Delta, Finish, Generation, TokenLogprob


@dataclass(slots=True, kw_only=True)
class GenerationQuery:
    """Texts to go on with, all in the way of `generation`, which has no prompt.

    `full_text` puts the text itself before what was generated. `truncate` keeps that many of its
    last tokens. `stream` asks for tokens as they come.
    """

    texts: Sequence[str]
    generation: Generation
    full_text: bool = False
    details: bool = False
    stream: bool = False
    truncate: int | None = None


@dataclass(slots=True, kw_only=True)
class GeneratedText:
    """What was generated behind the tokens of `prompt`.

    `logprobs` has an entry for each token, `prompt_logprobs` for each of the prompt's, if asked
    for.
    """

    prompt: Sequence[int]
    text: str
    tokens: Sequence[int]
    finish: Finish
    stop: str | int | None = None
    logprobs: Sequence[TokenLogprob] = ()
    prompt_logprobs: Sequence[TokenLogprob | None] = ()

    @classmethod
    def of(cls, generation: Generation, answer: Delta) -> "GeneratedText":
        """A generation with all that came for it, which has ended."""
        assert answer.finish is not None
        return cls(
            prompt=generation.prompt,
            text=answer.text,
            tokens=answer.tokens,
            finish=answer.finish,
            stop=answer.stop,
            logprobs=answer.logprobs,
            prompt_logprobs=answer.prompt_logprobs,
        )


@dataclass(slots=True)
class GenerationAnswer:
    """One generated text for each text of the query, in order."""

    query: GenerationQuery
    texts: Sequence[GeneratedText]

    def written(self, index: int) -> str:
        """What the client gets as the text."""
        before = self.query.texts[index] if self.query.full_text else ""
        return before + self.texts[index].text
