"""Probabilities of tokens, in the shape of chat and in the older one of completions."""

from collections.abc import Sequence
from itertools import accumulate
from typing import Any

from shoal_serving.generate.request import TokenLogprob
from shoal_serving.generate.vocabulary import Vocabulary

# JSON has no infinity; OpenAI says this of what cannot come.
_LEAST = -9999.0


def chat_logprobs(entries: Sequence[TokenLogprob], vocabulary: Vocabulary) -> dict[str, Any]:
    """`choices[].logprobs` of chat."""
    content = [
        {
            **_token(entry.token, entry.logprob, vocabulary),
            "top_logprobs": [_token(*alternative, vocabulary) for alternative in entry.top],
        }
        for entry in entries
    ]
    return {"content": content, "refusal": None}


def _token(token: int, logprob: float, vocabulary: Vocabulary) -> dict[str, Any]:
    return {
        "token": vocabulary.token_text(token),
        "logprob": max(logprob, _LEAST),
        "bytes": list(vocabulary.token_bytes(token)),
    }


class CompletionLogprobs:
    """`choices[].logprobs` of completions, of one choice: offsets count on from part to part."""

    def __init__(self, vocabulary: Vocabulary) -> None:
        self._vocabulary = vocabulary
        self._offset = 0

    def of(self, entries: Sequence[TokenLogprob], begins_with: int | None = None) -> dict[str, Any]:
        """The next tokens'. What a prompt `begins_with` has none, because nothing is before it."""
        text = self._vocabulary.token_text
        tokens = [text(entry.token) for entry in entries]
        logprobs: list[float | None] = [max(entry.logprob, _LEAST) for entry in entries]
        top: list[dict[str, float] | None] = [self._top(entry) for entry in entries]
        if begins_with is not None:
            tokens, logprobs, top = [text(begins_with), *tokens], [None, *logprobs], [None, *top]
        offsets = list(accumulate(map(len, tokens), initial=self._offset))
        self._offset = offsets.pop()
        return {
            "text_offset": offsets,
            "token_logprobs": logprobs,
            "tokens": tokens,
            "top_logprobs": top,
        }

    def _top(self, entry: TokenLogprob) -> dict[str, float]:
        """The likeliest tokens, and the one that came if it is not among them."""
        text = self._vocabulary.token_text
        top = {text(token): max(logprob, _LEAST) for token, logprob in entry.top}
        top.setdefault(text(entry.token), max(entry.logprob, _LEAST))
        return top
