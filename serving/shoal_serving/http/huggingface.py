"""Hugging Face's shape, on the base URL itself: `{"inputs": ..., "parameters": {...}}`.

Source: the requests that `huggingface_hub.InferenceClient` sends and the answers that it reads.
"""

import contextlib
from collections.abc import AsyncGenerator, Sequence

import orjson

from shoal_serving.generate.stream import Stream
from shoal_serving.http import texts
from shoal_serving.http.generating import Deltas, GenerativeModel, generates, generative
from shoal_serving.http.message import Request, Response
from shoal_serving.http.streaming import StreamedResponse
from shoal_serving.tasks.counts import Counts
from shoal_serving.tasks.generated import GenerationQuery


async def answer(request: Request, revision: str | None) -> Response | StreamedResponse:
    """The task's own answer, which a text that is generated may stream."""
    body = await request.json()
    model = request.serving
    query = model.task.from_json(body)
    if generates(model) and query.stream:
        return await _stream(request, generative(model), query)
    answer = await texts.answer(request, model, query)
    response = Response.json(model.task.to_json(answer))
    if isinstance(answer, Counts):
        response.headers += counted(answer)
    return response


async def _stream(
    request: Request, model: GenerativeModel, query: GenerationQuery
) -> StreamedResponse:
    """An event for each token, as text-generation-inference sends them."""

    async def events(streams: Sequence[Stream], deltas: Deltas) -> AsyncGenerator[bytes]:
        tokens = model.task.events(query, streams[0].prompt_tokens)
        async with contextlib.aclosing(deltas):
            async for _, delta in deltas:
                if part := tokens.push(delta):
                    yield b"".join(b"data:%b\n\n" % orjson.dumps(event) for event in part)

    return await texts.stream(request, model, query, events)


def counted(answer: Counts) -> list[tuple[bytes, bytes]]:
    """Headers that say how much was read, and of how many texts a part was not."""
    return [
        (b"x-shoal-tokens", b"%d" % answer.tokens),
        (b"x-shoal-truncated", b"%d" % answer.truncated),
    ]
