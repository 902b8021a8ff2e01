"""A stream of deltas → the events of text-generation-inference, one for each token.

https://huggingface.co/docs/text-generation-inference (generate_stream). Clients join the texts of
the tokens, so special tokens, which are no text, have an empty one.
"""

from collections.abc import Sequence
from typing import Any

from shoal_serving.generate.request import Delta, Finish, TokenLogprob
from shoal_serving.generate.vocabulary import Vocabulary
from shoal_serving.tasks.generated import GenerationQuery

Json = dict[str, Any]


class TokenEvents:
    """The events of one stream, for a query of one text and a prompt of so many tokens."""

    def __init__(self, query: GenerationQuery, vocabulary: Vocabulary, prompt_tokens: int) -> None:
        self._query = query
        self._vocabulary = vocabulary
        self._prompt_tokens = prompt_tokens
        self._texts = list(query.texts) if query.full_text else []
        self._count = 0
        self._last = 0

    def push(self, delta: Delta) -> list[Json]:
        """The events of a delta; the one with its end has the whole text."""
        self._texts.append(delta.text)
        tokens = delta.tokens
        if not tokens and (delta.text or delta.finish):
            # Text that was held back comes with no token of its own.
            tokens = (self._last,)
        else:
            self._count += len(tokens)
        speaker = _speaker(tokens, self._vocabulary.special_tokens)
        texts = [delta.text if i == speaker else "" for i in range(len(tokens))]
        entries = [*delta.logprobs, *[None] * (len(tokens) - len(delta.logprobs))]
        first = self._count - len(tokens) + 1
        events = [
            self._event(first + i, token, texts[i], entries[i]) for i, token in enumerate(tokens)
        ]
        self._last = tokens[-1] if tokens else self._last
        if delta.finish is not None:
            events[-1] |= self._end(delta.finish, delta.stop)
        return events

    def _event(self, index: int, token: int, text: str, entry: TokenLogprob | None) -> Json:
        special = not text and token in self._vocabulary.special_tokens
        logprob = entry.logprob if entry else 0.0
        event: Json = {
            "index": index,
            "token": {"id": token, "text": text, "logprob": logprob, "special": special},
            "generated_text": None,
            "details": None,
        }
        if entry and entry.top:
            event["top_tokens"] = alternatives(entry, self._vocabulary)
        return event

    def _end(self, finish: Finish, stop: str | int | None) -> Json:
        details = {
            "finish_reason": finish_reason(finish, stop),
            "generated_tokens": self._count,
            "input_length": self._prompt_tokens,
            "seed": self._query.generation.sampling.seed,
        }
        return {
            "generated_text": "".join(self._texts),
            "details": details if self._query.details else None,
        }


def _speaker(tokens: Sequence[int], special: frozenset[int]) -> int:
    """Which of these tokens has all of their text: the last that is not special, if there is one.

    Which part of the text came of which token is not known: a character may be of several.
    """
    speaking = [i for i, token in enumerate(tokens) if token not in special]
    return speaking[-1] if speaking else len(tokens) - 1


def token_json(token: int, logprob: float, vocabulary: Vocabulary) -> Json:
    """A token by itself, as TGI has it."""
    return {
        "id": token,
        "text": vocabulary.token_text(token),
        "logprob": logprob,
        "special": token in vocabulary.special_tokens,
    }


def alternatives(entry: TokenLogprob, vocabulary: Vocabulary) -> list[Json]:
    """The likeliest tokens at a place."""
    return [token_json(token, logprob, vocabulary) for token, logprob in entry.top]


def finish_reason(finish: Finish, stop: str | int | None) -> str:
    """TGI's word for how a text ended."""
    if finish is not Finish.STOP:
        return "length"
    return "stop_sequence" if isinstance(stop, str) else "eos_token"
