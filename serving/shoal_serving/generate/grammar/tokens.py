"""A model's tokens, for llguidance."""

import json
from collections.abc import Collection
from typing import Any

from llguidance import LLTokenizer


def read_tokenizer(
    tokenizer_json: str, vocabulary: int, end_tokens: Collection[int]
) -> LLTokenizer:
    """Read a `tokenizer.json` for logits of `vocabulary` tokens.

    The logits are often wider than the tokenizer, to a round number, and sometimes narrower.

    Raises:
        ValueError: llguidance cannot read it, or none of the end tokens is in it.
    """
    size = _size(json.loads(tokenizer_json))
    ends = sorted(token for token in end_tokens if token < size)
    if not ends:
        raise ValueError("it has no end token, so a text could not end where its grammar ends")
    return LLTokenizer(tokenizer_json, n_vocab=max(vocabulary, size), eos_token=ends)


def _size(tokenizer: Any) -> int:
    try:
        vocabulary = tokenizer["model"]["vocab"]
        added = [token["id"] for token in tokenizer.get("added_tokens") or ()]
        # Unigram's vocabulary is a list, whose places are the tokens; the others map to them.
        known = len(vocabulary) - 1 if isinstance(vocabulary, list) else max(vocabulary.values())
        return int(max([known, *added])) + 1
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise ValueError(f"its tokenizer.json has no vocabulary ({error!r})") from error
