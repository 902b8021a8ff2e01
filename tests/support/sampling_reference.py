"""How tokens are picked, written plainly: whole sorts, double precision, nothing clever."""

import math
from collections import Counter

import numpy as np


def log_softmax(logits):
    logits = np.asarray(logits, np.float64)
    highest = logits.max()
    return logits - highest - math.log(np.exp(logits - highest).sum())


def changed(logits, sampling, prompt=(), generated=(), forbidden=()):
    """The logits after all that may move the likeliest token."""
    scores = [float(logit) for logit in logits]
    for token in forbidden:
        scores[token] = -math.inf
    for token, bias in sampling.logit_bias.items():
        scores[token] += bias
    counts = Counter(generated)
    for token in {*prompt, *generated}:
        penalty = sampling.repetition_penalty
        scores[token] = scores[token] / penalty if scores[token] > 0 else scores[token] * penalty
    for token, count in counts.items():
        scores[token] -= sampling.frequency_penalty * count + sampling.presence_penalty
    return np.array(scores)


def probabilities(scores, sampling):
    """The distribution that is drawn from, at a temperature above 0."""
    scores = scores / sampling.temperature
    chances = np.exp(log_softmax(scores))
    kept = chances >= sampling.min_p * chances.max()
    if sampling.top_k:
        kth = np.sort(np.where(kept, scores, -np.inf))[::-1][: sampling.top_k].min()
        kept &= scores >= kth
    chances = np.where(kept, chances, 0) / chances[kept].sum()
    if sampling.top_p < 1:
        likeliest_first = np.argsort(-chances, kind="stable")
        before = np.concatenate([[0], np.cumsum(chances[likeliest_first])[:-1]])
        chances[likeliest_first[before >= sampling.top_p]] = 0
    return chances / chances.sum()
