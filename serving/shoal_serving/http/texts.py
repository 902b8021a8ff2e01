"""Queries of tasks, answered by whichever kind of model: one that is run, or one that generates.

For the protocols that speak in a task's own terms: Hugging Face's, and the Open Inference Protocol
with Triton's generate extension.
"""

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from shoal_serving.batched_model import BatchedModel
from shoal_serving.generate.request import Generation
from shoal_serving.http.generating import Events, GenerativeModel, collected, generative, streamed
from shoal_serving.http.message import Request
from shoal_serving.http.streaming import StreamedResponse
from shoal_serving.model import LoadedModel
from shoal_serving.tasks.generated import GeneratedText, GenerationQuery


async def answer(
    request: Request, model: LoadedModel, query: Any, timeout: float | None = None
) -> Any:
    """The task's answer to its query, which waits at most `timeout` seconds for its turn.

    Raises:
        ClientGone: the client left before.
        RequestError: the query cannot be answered.
    """
    if isinstance(model, BatchedModel):
        return await request.answer(model, query, timeout)
    generator = generative(model)
    with generator.taken():
        generations = await _encoded(request, generator, query, timeout)
        _, answers = await collected(request, generator, generations)
    texts = [GeneratedText.of(*pair) for pair in zip(generations, answers, strict=True)]
    return generator.task.decode(query, texts)


async def stream(
    request: Request, model: GenerativeModel, query: GenerationQuery, events: Events
) -> StreamedResponse:
    """A response that streams what `events` make of the query's one text.

    Raises:
        ClientGone: the client left before the first event.
        RequestError: it cannot be generated, or failed before the first event.
    """
    with model.taken():
        generations = await _encoded(request, model, query, None)
        return await streamed(request, model, generations, events)


async def _encoded(
    request: Request, model: GenerativeModel, query: GenerationQuery, timeout: float | None
) -> list[Generation]:
    encode: Callable[[GenerationQuery], list[Generation]] = model.task.encode
    generations = await request.aside(encode, query)
    if timeout is None:
        return generations
    deadline = time.monotonic() + timeout
    return [replace(generation, deadline=deadline) for generation in generations]
