"""What a request for completions asks for."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from shoal.errors import InvalidRequest
from shoal_serving.generate.request import Generation
from shoal_serving.generate.vocabulary import Vocabulary
from shoal_serving.http.openai.asked import Asked
from shoal_serving.http.openai.common import COMMON_FIELDS, Common, common_of
from shoal_serving.http.openai.fields import Fields, tokens_of
from shoal_serving.http.openai.sampling import MOST_ALTERNATIVES, MOST_TOKENS, for_choice
from shoal_serving.tasks.reading import expected, items_of, kind, text_of

MOST_PROMPTS = 256
# OpenAI's own default of this older call.
_TOKENS = 16
_FIELDS = ("prompt", "best_of", *COMMON_FIELDS)


@dataclass(frozen=True, slots=True)
class Prompt:
    """Tokens to go on from; `text` is what an echoing answer begins with."""

    tokens: tuple[int, ...]
    text: str


@dataclass(frozen=True, slots=True)
class CompletionRequest:
    """Prompts, each with so many choices. `scored`: only the prompts are looked at."""

    asked: Asked
    common: Common
    prompts: tuple[Prompt, ...]
    scored: bool

    def prompt(self, choice: int) -> Prompt:
        """The prompt of a choice; the choices of a prompt follow each other."""
        return self.prompts[choice // self.common.choices]

    def generations(self) -> list[Generation]:
        """One for each choice."""
        common = self.common
        return [
            Generation(
                prompt=prompt.tokens,
                sampling=for_choice(common.sampling, i),
                stopping=common.stopping,
                grammar=common.grammar,
                adapter=self.asked.adapter,
                prompt_logprobs=common.sampling.logprobs if common.echo else None,
                priority=common.priority,
                skip_special_tokens=common.skip_special_tokens,
            )
            for prompt in self.prompts
            for i in range(common.choices)
        ]


def completion_request(asked: Asked, body: Mapping[str, Any]) -> CompletionRequest:
    """Read a request.

    Raises:
        InvalidRequest: a field is not as it should be.
    """
    fields = Fields(body, _FIELDS)
    most = fields.integer("max_tokens", 0, MOST_TOKENS)
    most = _TOKENS if most is None else most
    scored = not most
    alternatives = fields.integer("logprobs", 0, MOST_ALTERNATIVES)
    # The engine looks at a prompt while it generates one token at least.
    common = common_of(fields, asked.model, max(most, 1), alternatives)
    if scored and not common.echo:
        raise expected("max_tokens", "a whole number of at least 1, or echo with 0", "0")
    best_of = fields.integer("best_of", 1, common.choices)
    if best_of not in (None, common.choices):
        raise expected("best_of", f"the same as n, which is {common.choices}", str(best_of))
    prompts = _prompts(fields, asked.model.vocabulary, common)
    return CompletionRequest(asked, common, prompts, scored)


def _prompts(fields: Fields, vocabulary: Vocabulary, common: Common) -> tuple[Prompt, ...]:
    special = fields.flag("add_special_tokens") is not False
    given = _listed(fields.value("prompt"))
    if len(given) > MOST_PROMPTS:
        raise expected("prompt", f"at most {MOST_PROMPTS} prompts", f"{len(given)}")
    return tuple(
        _of_text(item, field, vocabulary, special)
        if isinstance(item, str)
        else _of_tokens(item, field, vocabulary, common)
        for field, item in given
    )


def _listed(value: Any) -> list[tuple[str, Any]]:
    """Every prompt, a text or token ids, with the name of its place."""
    if value is None:
        raise InvalidRequest("prompt: expected a text or token ids, or an array of them", "prompt")
    if isinstance(value, str):
        return [("prompt", value)]
    if isinstance(value, list) and value and isinstance(value[0], int):
        return [("prompt", value)]
    return [(f"prompt[{i}]", item) for i, item in enumerate(items_of(value, "prompt"))]


def _of_text(text: str, field: str, vocabulary: Vocabulary, special: bool) -> Prompt:
    tokens = tuple(vocabulary.encode(text_of(text, field), special=special))
    if not tokens:
        raise expected(field, "a text that is not empty", "an empty string", "prompt")
    return Prompt(tokens, text)


def _of_tokens(value: Any, field: str, vocabulary: Vocabulary, common: Common) -> Prompt:
    if not isinstance(value, list):
        raise expected(field, "a text or an array of token ids", kind(value), "prompt")
    if not value:
        raise expected(field, "at least one token id", "an empty array", "prompt")
    tokens = tokens_of(value, field, vocabulary.size)
    text = vocabulary.decode(tokens, common.skip_special_tokens) if common.echo else ""
    return Prompt(tuple(tokens), text)
