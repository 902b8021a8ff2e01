"""One sequence as its reader sees it, on the event loop."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence

from shoal.errors import ClientGone, RequestError
from shoal_serving.generate.request import Delta

_LOGPROB = 64  # characters of one in JSON


class Stream:
    """Deltas as they come; those that a slow reader has not taken yet are joined to one.

    Lives on one event loop: `push` and `fail` are called there, by whoever generates. `cancel` is
    called when nobody reads any more; the engine frees the sequence's place within a step. A reader
    that lets more than `most` characters wait is cut off; a token counts as one at least, and each
    of its logprobs as many.
    """

    def __init__(self, prompt_tokens: int, cancel: Callable[[], None], most: int = 65536) -> None:
        self.prompt_tokens = prompt_tokens
        # Of the prompt, those that were computed before; known from the first delta on.
        self.cached_tokens = 0
        self.completion_tokens = 0
        self.cancel = cancel
        self._most = most
        self._waiting: list[Delta] = []
        self._characters = 0
        self._error: RequestError | None = None
        self._ended = False
        self._news = asyncio.Event()

    def push(self, delta: Delta) -> None:
        """More of it; the last one has a `finish`."""
        if self._error is not None:
            return
        self._waiting.append(delta)
        self.completion_tokens += len(delta.tokens)
        self._characters += _size(delta)
        if self._characters > self._most:
            self.fail(ClientGone(f"the client let more than {self._most} characters wait"))
            self.cancel()
        self._news.set()

    def fail(self, error: RequestError) -> None:
        """It ends with an error; what has not been read yet is lost."""
        self._waiting.clear()
        self._error = error
        self._news.set()

    def __aiter__(self) -> AsyncIterator[Delta]:
        return self

    async def __anext__(self) -> Delta:
        """The next delta.

        Raises:
            RequestError: the sequence failed.
        """
        if self._ended:
            raise StopAsyncIteration
        await self._news.wait()
        self._news.clear()
        if self._error is not None:
            raise self._error
        delta, self._waiting, self._characters = joined(self._waiting), [], 0
        self._ended = delta.finish is not None
        return delta


def joined(deltas: Sequence[Delta]) -> Delta:
    """Deltas of one sequence that follow each other, as one; at least one."""
    if len(deltas) == 1:
        return deltas[0]
    return Delta(
        text="".join(delta.text for delta in deltas),
        tokens=tuple(token for delta in deltas for token in delta.tokens),
        logprobs=tuple(entry for delta in deltas for entry in delta.logprobs),
        prompt_logprobs=deltas[0].prompt_logprobs,
        finish=deltas[-1].finish,
        stop=deltas[-1].stop,
    )


def _size(delta: Delta) -> int:
    """About how many characters it is when it is written."""
    logprobs = sum(1 + len(entry.top) for entry in delta.logprobs)
    return max(len(delta.text), len(delta.tokens)) + _LOGPROB * logprobs
