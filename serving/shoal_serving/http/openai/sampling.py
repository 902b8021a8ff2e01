"""How to sample and when to stop, as OpenAI and vLLM name it."""

from dataclasses import replace
from typing import Any

from shoal_serving.generate.request import Sampling, Stopping
from shoal_serving.http.openai.fields import Fields
from shoal_serving.tasks.sampling_parameters import logit_biases, stop_strings, stop_tokens

SAMPLING_FIELDS = (
    "temperature",
    "top_p",
    "top_k",
    "min_p",
    "presence_penalty",
    "frequency_penalty",
    "repetition_penalty",
    "logit_bias",
    "seed",
)
STOPPING_FIELDS = (
    "max_tokens",
    "min_tokens",
    "stop",
    "stop_token_ids",
    "ignore_eos",
    "include_stop_str_in_output",
)
MOST_CHOICES = 128
MOST_ALTERNATIVES = 20
MOST_TOKENS = 2**31 - 1
_SEEDS = 2**64


def sampling_of(
    fields: Fields, defaults: Sampling, vocabulary: int, alternatives: int | None
) -> Sampling:
    """What the request says, and what it does not say from the model's `defaults`.

    `alternatives` is how many are reported with each token.

    Raises:
        InvalidRequest: a value is out of its range.
    """
    top_k = fields.integer("top_k", -1, MOST_TOKENS)
    seed = fields.integer("seed", -(2**63), _SEEDS - 1)
    biases = fields.value("logit_bias")
    given: dict[str, Any] = {
        "temperature": fields.number("temperature", 0, 2),
        "top_p": fields.number("top_p", 0, 1, above=True),
        "top_k": None if top_k is None else max(top_k, 0),
        "min_p": fields.number("min_p", 0, 1),
        "presence_penalty": fields.number("presence_penalty", -2, 2),
        "frequency_penalty": fields.number("frequency_penalty", -2, 2),
        "repetition_penalty": fields.number("repetition_penalty", 0, 10, above=True),
        "logit_bias": None if biases is None else logit_biases(biases, vocabulary),
        "seed": None if seed is None else seed % _SEEDS,
    }
    said = {name: value for name, value in given.items() if value is not None}
    return replace(defaults, logprobs=alternatives, **said)


def for_choice(sampling: Sampling, choice: int) -> Sampling:
    """The sampling of one of several choices: each has its own seed, counted up from `seed`."""
    if sampling.seed is None or choice == 0:
        return sampling
    return replace(sampling, seed=(sampling.seed + choice) % _SEEDS)


def stopping_of(fields: Fields, most: int | None, vocabulary: int) -> Stopping:
    """When to stop; `most` is how many tokens there may be.

    Raises:
        InvalidRequest: a value is out of its range.
    """
    return Stopping(
        max_tokens=most,
        min_tokens=fields.integer("min_tokens", 0, most) or 0,
        strings=stop_strings(fields),
        tokens=stop_tokens(fields.value("stop_token_ids"), vocabulary),
        ignore_eos=bool(fields.flag("ignore_eos")),
        include=bool(fields.flag("include_stop_str_in_output")),
    )
