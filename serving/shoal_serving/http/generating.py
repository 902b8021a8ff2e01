"""Sequences of one request: started together, read together, and given up together.

What a protocol must know of the engine is here, and nothing of any protocol.
"""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Protocol, cast

from shoal.errors import ClientGone, InvalidRequest
from shoal_serving.generate.chat import ChatTemplate
from shoal_serving.generate.request import Delta, Finish, Generation, Sampling
from shoal_serving.generate.stream import Stream, joined
from shoal_serving.generate.vocabulary import Vocabulary
from shoal_serving.http.message import Request
from shoal_serving.http.streaming import StreamedResponse
from shoal_serving.model import LoadedModel
from shoal_serving.stats import Statistics
from shoal_serving.tasks.text_generation import TextGeneration

TASK = "text-generation"


class GenerativeModel(Protocol):
    """A model of text, as protocols see it. `context` counts a prompt's and an answer's tokens,
    `capacity` how many sequences run and wait at most.
    """

    name: str
    revision: str
    loaded: float
    statistics: Statistics

    @property
    def vocabulary(self) -> Vocabulary: ...
    @property
    def template(self) -> ChatTemplate | None: ...
    @property
    def adapters(self) -> Mapping[str, object]: ...
    @property
    def context(self) -> int: ...
    @property
    def defaults(self) -> Sampling: ...
    @property
    def capacity(self) -> int: ...
    @property
    def task(self) -> TextGeneration: ...
    async def start(self, generation: Generation) -> Stream: ...
    def taken(self) -> AbstractContextManager[None]: ...


def generates(model: LoadedModel) -> bool:
    """Whether it is a model that generates text."""
    return model.config.task.value == TASK


def generative(model: LoadedModel) -> GenerativeModel:
    """The model, where it generates text.

    Raises:
        InvalidRequest: it does something else.
    """
    if not generates(model):
        task = model.config.task.value
        raise InvalidRequest(f"{model.name} does {task}; this call needs a {TASK} model", "model")
    return cast("GenerativeModel", model)


Deltas = AsyncGenerator[tuple[int, Delta]]
"""What came, each with the place of its sequence among the request's."""
Events = Callable[[Sequence[Stream], Deltas], AsyncGenerator[bytes]]
"""What a client gets for it: bytes of whole events, at least one."""


async def collected(
    request: Request, model: GenerativeModel, generations: Sequence[Generation]
) -> tuple[list[Stream], list[Delta]]:
    """Every sequence as one delta, when all have ended. The body must have been read.

    Raises:
        ClientGone: the client left before.
        RequestError: one cannot be generated.
    """
    request.answerer = model
    with request.watch.watching(request.receive):
        streams = await started(model, generations)
        gathered: list[list[Delta]] = [[] for _ in streams]
        async with contextlib.aclosing(read(streams)) as deltas:
            async for place, delta in deltas:
                gathered[place].append(delta)
    return streams, [joined(deltas) for deltas in gathered]


async def streamed(
    request: Request, model: GenerativeModel, generations: Sequence[Generation], events: Events
) -> StreamedResponse:
    """A response that goes on from the first event, which has come. The body must have been read.

    Raises:
        ClientGone: the client left before the first event.
        RequestError: one cannot be generated, or failed before the first event.
    """
    request.answerer = model
    with request.watch.watching(request.receive, at_once=True):
        streams = await started(model, generations)
        parts = events(streams, read(streams))
        first = await anext(parts)
    return StreamedResponse(request, first, parts)


async def started(model: GenerativeModel, generations: Sequence[Generation]) -> list[Stream]:
    """A stream for each, or none of them.

    Raises:
        RequestError: one was refused.
    """
    if len(generations) > model.capacity:
        raise InvalidRequest(
            f"the request has {len(generations)} sequences; {model.name} runs and holds "
            f"{model.capacity} at most. Ask for fewer at once"
        )
    streams: list[Stream] = []
    try:
        for generation in generations:
            stream = await model.start(generation)
            streams.append(stream)
    except BaseException:
        for stream in streams:
            stream.cancel()
        raise
    return streams


async def read(streams: Sequence[Stream]) -> Deltas:
    """Each stream's deltas with its place, as they come. Close it to give up what is not finished.

    A reader that is slow holds one delta of each stream; what comes meanwhile waits in the streams.

    Raises:
        RequestError: a sequence failed, and so all are given up.
    """
    unfinished = dict(enumerate(streams))
    try:
        async with contextlib.aclosing(_deltas(streams)) as deltas:
            async for place, delta in deltas:
                if delta.finish is not None:
                    del unfinished[place]
                if delta.finish is Finish.ABORT:
                    raise ClientGone("the sequence was given up before its end")
                yield place, delta
    finally:
        for stream in unfinished.values():
            stream.cancel()


def _deltas(streams: Sequence[Stream]) -> Deltas:
    return _one(streams[0]) if len(streams) == 1 else _several(streams)


async def _one(stream: Stream) -> Deltas:
    async for delta in stream:
        yield 0, delta


async def _several(streams: Sequence[Stream]) -> Deltas:
    news: asyncio.Queue[tuple[int, Delta | Exception]] = asyncio.Queue(1)
    tasks = [asyncio.create_task(_pass_on(i, stream, news)) for i, stream in enumerate(streams)]
    left = len(tasks)
    try:
        while left:
            place, delta = await news.get()
            if isinstance(delta, Exception):
                raise delta
            left -= delta.finish is not None
            yield place, delta
    finally:
        for task in tasks:
            task.cancel()


async def _pass_on(
    place: int, stream: Stream, news: "asyncio.Queue[tuple[int, Delta | Exception]]"
) -> None:
    try:
        async for delta in stream:
            await news.put((place, delta))
    except Exception as error:
        await news.put((place, error))
