"""Logarithms of probabilities, of the model's own distribution."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from shoal.errors import InferenceFailed
from shoal_serving.generate.request import TokenLogprob
from shoal_serving.generate.sampling.candidates import largest

NOT_FINITE = (
    "the model's logits are not finite numbers (NaN or infinity): "
    "its weights are damaged, or its precision is too low for this text"
)


def logprob_of(
    logits: NDArray[np.float32], token: int, top: int, scratch: NDArray[np.float32]
) -> TokenLogprob:
    """The log-softmax of `logits` [vocabulary] at `token`, and the `top` likeliest.

    `scratch` [vocabulary] is written over. Tokens of probability 0 are never among the top; equally
    likely ones come by their number. The logits must have a finite largest one.
    """
    highest = logits.max()
    np.subtract(logits, highest, out=scratch)
    np.exp(scratch, out=scratch)
    total = float(highest) + float(np.log(scratch.sum()))
    likeliest = _likeliest(logits, top) if top else ()
    return TokenLogprob(
        token,
        float(logits[token]) - total,
        tuple((other, logit - total) for other, logit in likeliest),
    )


def _likeliest(logits: NDArray[np.float32], top: int) -> list[tuple[int, float]]:
    tokens = largest(logits, top)
    # A stable sort of tokens that ascend.
    tokens = tokens[np.argsort(-logits[tokens], kind="stable")][:top]
    pairs = zip(tokens.tolist(), logits[tokens].tolist(), strict=True)
    return [pair for pair in pairs if pair[1] != -np.inf]


def prompt_logprobs(
    logits: NDArray[np.float32], tokens: Sequence[int], top: int
) -> list[TokenLogprob]:
    """How likely a prompt's own `tokens` [n] were; `logits` [n, vocabulary] came before each.

    Raises:
        InferenceFailed: logits that are not numbers.
    """
    if not np.isfinite(logits.max(axis=1)).all():
        raise InferenceFailed(NOT_FINITE)
    scratch = np.empty(logits.shape[1], np.float32)
    pairs = zip(logits, tokens, strict=True)
    return [logprob_of(row, token, top, scratch) for row, token in pairs]
