"""What chat and completions share: the fields of both, and what an answer says of itself."""

import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from shoal.errors import InvalidRequest
from shoal_serving.generate.request import Grammar, Sampling, Stopping
from shoal_serving.generate.stream import Stream
from shoal_serving.http.generating import GenerativeModel
from shoal_serving.http.openai.asked import Asked
from shoal_serving.http.openai.fields import Fields
from shoal_serving.http.openai.grammars import GRAMMAR_FIELDS, grammar_of
from shoal_serving.http.openai.sampling import (
    MOST_CHOICES,
    SAMPLING_FIELDS,
    STOPPING_FIELDS,
    sampling_of,
    stopping_of,
)

COMMON_FIELDS = (
    "model",
    "stream",
    "stream_options",
    "n",
    "echo",
    "logprobs",
    "priority",
    "skip_special_tokens",
    "add_special_tokens",
    *SAMPLING_FIELDS,
    *STOPPING_FIELDS,
    *GRAMMAR_FIELDS,
)


@dataclass(frozen=True, slots=True)
class Common:
    """What both ask for. A stream ends with its `usage`; if `continuous`, every chunk has one."""

    choices: int
    stream: bool
    usage: bool
    continuous: bool
    echo: bool
    sampling: Sampling
    stopping: Stopping
    grammar: Grammar | None
    priority: int
    skip_special_tokens: bool


def common_of(
    fields: Fields, model: GenerativeModel, most_tokens: int | None, alternatives: int | None
) -> Common:
    """Read what chat and completions share; `most_tokens` an answer may have, and so many
    `alternatives` are reported with each of them.

    Raises:
        InvalidRequest: a field is not as it should be.
    """
    stream = bool(fields.flag("stream"))
    usage, continuous = _stream_options(fields, stream)
    vocabulary = model.vocabulary.size
    # What the model's own folder says of sampling, where the model knows it.
    defaults = model.defaults
    skip = fields.flag("skip_special_tokens")
    return Common(
        choices=fields.integer("n", 1, MOST_CHOICES) or 1,
        stream=stream,
        usage=usage,
        continuous=continuous,
        echo=bool(fields.flag("echo")),
        sampling=sampling_of(fields, defaults, vocabulary, alternatives),
        stopping=stopping_of(fields, most_tokens, vocabulary),
        grammar=grammar_of(fields),
        priority=fields.integer("priority", 0, 2**31 - 1) or 0,
        skip_special_tokens=skip is not False,
    )


def _stream_options(fields: Fields, stream: bool) -> tuple[bool, bool]:
    given = fields.mapping("stream_options")
    if given is None:
        return False, False
    if not stream:
        raise InvalidRequest("stream_options: only with stream true", "stream_options")
    options = Fields(given, ("include_usage", "continuous_usage_stats", "include_obfuscation"))
    options.flag("include_obfuscation")
    usage = bool(options.flag("include_usage"))
    return usage, usage and bool(options.flag("continuous_usage_stats"))


def head(asked: Asked, prefix: str, kind: str) -> dict[str, Any]:
    """What every answer and every chunk begins with."""
    return {
        "id": f"{prefix}-{secrets.token_hex(16)}",
        "object": kind,
        "created": int(time.time()),
        "model": asked.name,
        "system_fingerprint": asked.model.revision,
    }


def usage_of(streams: Sequence[Stream], choices: int) -> dict[str, Any]:
    """Tokens of a request: a prompt with several choices counts once."""
    prompts = streams[::choices]
    prompt = sum(stream.prompt_tokens for stream in prompts)
    completion = sum(stream.completion_tokens for stream in streams)
    return {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
        "prompt_tokens_details": {"cached_tokens": sum(s.cached_tokens for s in prompts)},
    }
