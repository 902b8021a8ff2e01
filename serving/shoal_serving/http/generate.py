"""Triton's generate extension: texts in and out as plain JSON, at once or as server-sent events.

Source: Triton's document of the generate extension, and its vLLM backend for the fields: the text
is `text_input`, and whatever else stands beside it, or in `parameters`, says how to go on.
"""

import contextlib
from collections.abc import AsyncGenerator, Mapping, Sequence
from typing import Any

import numpy as np
import orjson

from shoal.errors import InvalidRequest
from shoal_serving.generate.stream import Stream
from shoal_serving.http import texts
from shoal_serving.http.generating import Deltas, GenerativeModel, generative
from shoal_serving.http.inference import loaded
from shoal_serving.http.message import Request, Response
from shoal_serving.http.streaming import StreamedResponse
from shoal_serving.tasks.generated import GenerationAnswer, GenerationQuery
from shoal_serving.tasks.reading import expected, kind, texts_of
from shoal_serving.tensors import Tensors


async def generate(request: Request, revision: str | None) -> Response:
    """The text that the model goes on with."""
    body = await request.json()
    model = loaded(request, revision)
    query = _query(generative(model), body, stream=False)
    answer: GenerationAnswer = await texts.answer(request, model, query)
    output = [answer.written(i) for i in range(len(answer.texts))]
    one = isinstance(body["text_input"], str)
    return Response.json({**_head(model, body), "text_output": output[0] if one else output})


async def generate_stream(request: Request, revision: str | None) -> StreamedResponse:
    """The text, as it comes."""
    body = await request.json()
    model = generative(loaded(request, revision))
    query = _query(model, body, stream=True)
    if len(query.texts) != 1:
        raise expected("text_input", "one text in a stream", f"{len(query.texts)}")
    head = _head(model, body)

    async def events(streams: Sequence[Stream], deltas: Deltas) -> AsyncGenerator[bytes]:
        async with contextlib.aclosing(deltas):
            async for _, delta in deltas:
                if delta.text or delta.finish:
                    event = {**head, "text_output": delta.text}
                    yield b"data: %b\n\n" % orjson.dumps(event)

    return await texts.stream(request, model, query, events)


def _query(model: GenerativeModel, body: Mapping[str, Any], stream: bool) -> GenerationQuery:
    given = {name: value for name, value in body.items() if name not in ("text_input", "id")}
    parameters = given.pop("parameters", None) or {}
    if not isinstance(parameters, dict):
        raise expected("parameters", "an object", kind(parameters))
    for name in given.keys() & parameters.keys():
        raise InvalidRequest(f"{name}: expected it once, got it in parameters too", name)
    given |= parameters
    if given.setdefault("stream", stream) is not stream:
        other = "generate" if stream else "generate_stream"
        raise InvalidRequest(f"stream: expected {str(stream).lower()} here; ask {other}", "stream")
    inputs: Tensors = {"text_input": _bytes(texts_of(body.get("text_input"), "text_input"))}
    if "sampling_parameters" in given:
        inputs["sampling_parameters"] = _bytes([_json(given.pop("sampling_parameters"))])
    return model.task.from_tensors(inputs, given)


def _json(value: Any) -> str:
    """The sampling parameters of vLLM, as an object or as its JSON in a string."""
    if isinstance(value, str):
        return value
    if not isinstance(value, dict):
        raise expected("sampling_parameters", "an object, or its JSON in a string", kind(value))
    return orjson.dumps(value).decode()


def _bytes(values: Sequence[str]) -> np.ndarray[Any, Any]:
    return np.array([value.encode() for value in values], np.object_)


def _head(model: Any, body: Mapping[str, Any]) -> dict[str, Any]:
    named = {"id": body["id"]} if isinstance(body.get("id"), str) else {}
    return {**named, "model_name": model.name, "model_version": model.revision}
