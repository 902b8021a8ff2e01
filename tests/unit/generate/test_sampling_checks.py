"""Which samplings are refused, and by which name."""

import math
from dataclasses import replace

import pytest

from shoal.errors import InvalidRequest
from shoal_serving.generate.request import Sampling
from shoal_serving.generate.sampling.checks import check, check_logprobs


@pytest.mark.parametrize(
    ("param", "values"),
    [
        ("temperature", [-0.1, math.nan, math.inf]),
        ("top_k", [-1]),
        ("top_p", [0.0, -0.5, 1.01, math.nan]),
        ("min_p", [-0.1, 1.1, math.nan]),
        ("repetition_penalty", [0.0, -1.0, math.inf, math.nan]),
        ("presence_penalty", [-2.1, 2.1, math.nan]),
        ("frequency_penalty", [-2.1, 2.1, math.nan]),
        ("seed", [1 << 64, -(1 << 63) - 1]),
        ("logprobs", [-1, 21]),
        ("logit_bias", [{-1: 0.0}, {100: 0.0}, {1: 100.5}, {1: -101.0}, {1: math.nan}]),
    ],
)
def test_a_value_out_of_range_is_refused_by_its_name(param, values):
    for value in values:
        with pytest.raises(InvalidRequest, match=f"^{param}: expected .* got ") as caught:
            check(replace(Sampling(), **{param: value}), vocabulary=100)
        assert caught.value.param == param


@pytest.mark.parametrize(
    "sampling",
    [
        Sampling(),
        Sampling(temperature=0, top_k=10**6, top_p=1e-9, min_p=1),
        Sampling(repetition_penalty=0.01, presence_penalty=-2, frequency_penalty=2),
        Sampling(seed=-(1 << 63), logprobs=20, logit_bias={0: -100, 99: 100}),
    ],
)
def test_the_ends_of_the_ranges_are_fine(sampling):
    check(sampling, vocabulary=100)


def test_a_prompts_logprobs_are_refused_by_their_own_name():
    check_logprobs(None, "prompt_logprobs")
    with pytest.raises(
        InvalidRequest, match="prompt_logprobs: expected a whole number from 0 to 20"
    ):
        check_logprobs(21, "prompt_logprobs")
