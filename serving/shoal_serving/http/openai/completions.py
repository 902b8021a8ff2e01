"""`/v1/completions`: texts go on, at once or chunk by chunk."""

import contextlib
from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import orjson

from shoal_serving.generate.request import Delta, Finish
from shoal_serving.generate.stream import Stream
from shoal_serving.http.generating import Deltas, collected, streamed
from shoal_serving.http.message import Request, Response
from shoal_serving.http.openai.asked import asked_to_generate
from shoal_serving.http.openai.chunks import Chunks
from shoal_serving.http.openai.common import head, usage_of
from shoal_serving.http.openai.completion_request import CompletionRequest, completion_request
from shoal_serving.http.openai.finish import finish_of
from shoal_serving.http.openai.logprobs import CompletionLogprobs
from shoal_serving.http.streaming import StreamedResponse


async def completions(request: Request, revision: str | None) -> Response | StreamedResponse:
    """How each prompt goes on."""
    body = await request.json()
    asked = asked_to_generate(request, body)
    with asked.model.taken():
        wanted = await request.aside(completion_request, asked, body)
        generations = wanted.generations()
        if wanted.common.stream:
            return await streamed(request, asked.model, generations, partial(_events, wanted))
        streams, answers = await collected(request, asked.model, generations)
    choices = [_Choice(wanted, i).whole(answer) for i, answer in enumerate(answers)]
    usage = _usage(wanted, streams)
    first = head(wanted.asked, "cmpl", "text_completion")
    return Response.json({**first, "choices": choices, "usage": usage})


async def _events(
    wanted: CompletionRequest, streams: Sequence[Stream], deltas: Deltas
) -> AsyncGenerator[bytes]:
    """Chunks as deltas come; the last part has the last chunk, the usage and the end."""
    chunks = Chunks(
        head(wanted.asked, "cmpl", "text_completion"),
        "text",
        lambda: _usage(wanted, streams),
        wanted.common.usage,
        wanted.common.continuous,
    )
    choices = [_Choice(wanted, i) for i in range(len(streams))]
    unfinished = len(choices)
    async with contextlib.aclosing(deltas):
        async for place, delta in deltas:
            part = choices[place].part(delta, chunks)
            unfinished -= delta.finish is not None
            if not unfinished:
                break
            if part:
                yield part
    yield part + chunks.end()


class _Choice:
    """One choice, as one answer or part by part."""

    def __init__(self, wanted: CompletionRequest, index: int) -> None:
        self._index = index
        self._scored = wanted.scored
        self._with_logprobs = wanted.common.sampling.logprobs is not None
        self._logprobs = CompletionLogprobs(wanted.asked.model.vocabulary)
        self._echoed = wanted.prompt(index) if wanted.common.echo else None

    def whole(self, answer: Delta) -> dict[str, Any]:
        text, logprobs, answer = self._next(answer)
        return {
            "index": self._index,
            "text": text,
            "logprobs": logprobs,
            "finish_reason": finish_of(answer),
            "stop_reason": answer.stop,
        }

    def part(self, delta: Delta, chunks: Chunks) -> bytes:
        """A chunk, or nothing while text waits for more."""
        text, logprobs, delta = self._next(delta)
        finish, content = finish_of(delta), orjson.dumps(text)
        if finish is not None or logprobs is not None:
            return chunks.full(self._index, content, logprobs, finish, delta.stop)
        return chunks.plain(self._index, content) if text else b""

    def _next(self, delta: Delta) -> tuple[str, Mapping[str, Any] | None, Delta]:
        """Text and logprobs of a delta; before the first come the prompt's, if it is echoed."""
        if self._scored:
            delta = _nothing_but_the_prompt(delta)
        prompt, self._echoed = self._echoed, None
        text = prompt.text + delta.text if prompt else delta.text
        if not self._with_logprobs or not (prompt or delta.logprobs):
            return text, None, delta
        if prompt is None:
            return text, self._logprobs.of(delta.logprobs), delta
        known = [entry for entry in delta.prompt_logprobs if entry is not None]
        return text, self._logprobs.of([*known, *delta.logprobs], prompt.tokens[0]), delta


def _nothing_but_the_prompt(delta: Delta) -> Delta:
    finish = delta.finish and Finish.LENGTH
    return replace(delta, text="", tokens=(), logprobs=(), finish=finish, stop=None)


def _usage(wanted: CompletionRequest, streams: Sequence[Stream]) -> dict[str, Any]:
    usage = usage_of(streams, wanted.common.choices)
    if wanted.scored:
        usage |= {"completion_tokens": 0, "total_tokens": usage["prompt_tokens"]}
    return usage
