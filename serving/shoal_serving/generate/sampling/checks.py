"""Which samplings can be asked for."""

import math
from collections.abc import Callable

from shoal.errors import InvalidRequest
from shoal_serving.generate.request import Sampling

# vLLM's default of `max_logprobs`, and OpenAI's limit of `top_logprobs`.
MOST_LOGPROBS = 20
_SEEDS = range(-(1 << 63), 1 << 64)

# (parameter, whether it is fine, what was expected). The ranges are vLLM's; logit_bias is OpenAI's.
_RANGES: tuple[tuple[str, Callable[[float], bool], str], ...] = (
    ("temperature", lambda value: 0 <= value < math.inf, "a number of at least 0"),
    ("top_k", lambda value: value >= 0, "a whole number of at least 0 (0: all tokens)"),
    ("top_p", lambda value: 0 < value <= 1, "a number above 0 and up to 1"),
    ("min_p", lambda value: 0 <= value <= 1, "a number from 0 to 1"),
    ("repetition_penalty", lambda value: 0 < value < math.inf, "a number above 0"),
    ("presence_penalty", lambda value: -2 <= value <= 2, "a number from -2 to 2"),
    ("frequency_penalty", lambda value: -2 <= value <= 2, "a number from -2 to 2"),
)


def check(sampling: Sampling, vocabulary: int) -> None:
    """Refuse what cannot be sampled with, for a model of so many tokens.

    Raises:
        InvalidRequest: a parameter is out of its range; it is named.
    """
    for name, fine, expected in _RANGES:
        value = getattr(sampling, name)
        if not fine(value):
            raise _refused(name, value, expected)
    if sampling.seed is not None and sampling.seed not in _SEEDS:
        raise _refused("seed", sampling.seed, "a whole number of 64 bits, with a sign or without")
    check_logprobs(sampling.logprobs, "logprobs")
    _check_bias(sampling, vocabulary)


def check_logprobs(count: int | None, param: str) -> None:
    """Refuse more alternatives than are reported.

    Raises:
        InvalidRequest: naming `param`.
    """
    if count is not None and not 0 <= count <= MOST_LOGPROBS:
        raise _refused(param, count, f"a whole number from 0 to {MOST_LOGPROBS}")


def _check_bias(sampling: Sampling, vocabulary: int) -> None:
    for token, bias in sampling.logit_bias.items():
        if not 0 <= token < vocabulary:
            expected = f"tokens from 0 to {vocabulary - 1}, which this model has"
            raise _refused("logit_bias", f"token {token}", expected)
        if not -100 <= bias <= 100:
            raise _refused("logit_bias", f"{bias} for token {token}", "numbers from -100 to 100")


def _refused(param: str, value: object, expected: str) -> InvalidRequest:
    return InvalidRequest(f"{param}: expected {expected}, got {value}", param)
