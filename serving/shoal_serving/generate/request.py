"""What is asked of the engine, and what comes back. Everything here is plain data."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


@dataclass(frozen=True, slots=True)
class Sampling:
    """How a token is picked from a row of logits. The defaults sample from the model as it is.

    `temperature` 0 takes the likeliest token. `top_k` 0 means all tokens. The penalties are
    OpenAI's (presence, frequency: over what was generated) and Hugging Face's (repetition: over
    the prompt too). `seed` fixes the text whatever else is in the batch. `logprobs` is how many
    alternatives are reported with each token; None reports nothing, 0 the token's own.
    """

    temperature: float = 1.0
    top_k: int = 0
    top_p: float = 1.0
    min_p: float = 0.0
    repetition_penalty: float = 1.0
    presence_penalty: float = 0.0
    frequency_penalty: float = 0.0
    logit_bias: Mapping[int, float] = field(default_factory=dict)
    seed: int | None = None
    logprobs: int | None = None


@dataclass(frozen=True, slots=True)
class Stopping:
    """When a sequence ends. `max_tokens` None: when the context is full.

    `strings` and `tokens` end it and are left out of the text, unless `include`. The model's own
    end tokens count unless `ignore_eos`; none of all these ends it before `min_tokens`.
    """

    max_tokens: int | None = None
    min_tokens: int = 0
    strings: tuple[str, ...] = ()
    tokens: frozenset[int] = frozenset()
    ignore_eos: bool = False
    include: bool = False


class GrammarKind(StrEnum):
    """How a grammar is written. The value is a schema (a JSON value), nothing, a regular
    expression, a grammar in llguidance's Lark, or a list of texts to choose from.
    """

    JSON_SCHEMA = "json_schema"
    JSON_OBJECT = "json_object"
    REGEX = "regex"
    LARK = "lark"
    CHOICE = "choice"


@dataclass(frozen=True, slots=True)
class Grammar:
    """What the text must look like."""

    kind: GrammarKind
    value: Any = None


@dataclass(frozen=True, slots=True)
class Generation:
    """One sequence to generate.

    `prompt_logprobs` reports the prompt's own tokens like `Sampling.logprobs`. A smaller `priority`
    goes first. `deadline` (time.monotonic) is when it must have begun to run.
    """

    prompt: tuple[int, ...]
    sampling: Sampling = Sampling()
    stopping: Stopping = Stopping()
    grammar: Grammar | None = None
    adapter: str | None = None
    prompt_logprobs: int | None = None
    priority: int = 0
    deadline: float | None = None
    skip_special_tokens: bool = True


class Finish(StrEnum):
    """Why a sequence ended; ABORT: nobody wanted it any more."""

    STOP = "stop"
    LENGTH = "length"
    ABORT = "abort"


@dataclass(frozen=True, slots=True)
class TokenLogprob:
    """A token, its natural logarithm of probability, and the likeliest tokens at its place.

    All are of the model's own distribution: before temperature, penalties and grammar.
    """

    token: int
    logprob: float
    top: tuple[tuple[int, float], ...] = ()


@dataclass(slots=True)
class Delta:
    """What came since the last one: text that is whole, and the tokens that were generated.

    The two need not match: text waits while it may become part of a character or a stop string.
    `logprobs` has an entry for each token if they were asked for. `prompt_logprobs` comes once, in
    the first one, with None for the first token. `stop` is the stop string or token that ended it.
    """

    text: str = ""
    tokens: tuple[int, ...] = ()
    logprobs: tuple[TokenLogprob, ...] = ()
    prompt_logprobs: tuple[TokenLogprob | None, ...] = ()
    finish: Finish | None = None
    stop: str | int | None = None
