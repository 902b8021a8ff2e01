"""`/v1/chat/completions`: a conversation goes on, at once or chunk by chunk."""

from collections.abc import Iterable, Sequence
from functools import partial
from typing import Any

from shoal_serving.generate.request import Delta
from shoal_serving.generate.stream import Stream
from shoal_serving.generate.tools import CallStarted, Content, Piece
from shoal_serving.http.generating import collected, streamed
from shoal_serving.http.message import Request, Response
from shoal_serving.http.openai.asked import asked_to_generate
from shoal_serving.http.openai.chat_events import call_id, chat_events
from shoal_serving.http.openai.chat_request import ChatRequest, chat_request
from shoal_serving.http.openai.common import head, usage_of
from shoal_serving.http.openai.finish import finish_of
from shoal_serving.http.openai.logprobs import chat_logprobs
from shoal_serving.http.streaming import StreamedResponse


async def chat(request: Request, revision: str | None) -> Response | StreamedResponse:
    """The assistant's next message."""
    body = await request.json()
    asked = asked_to_generate(request, body)
    with asked.model.taken():
        wanted = await request.aside(chat_request, asked, body)
        generations = wanted.generations()
        if wanted.common.stream:
            return await streamed(request, asked.model, generations, partial(chat_events, wanted))
        streams, answers = await collected(request, asked.model, generations)
    return Response.json(_completion(wanted, streams, answers))


def _completion(
    wanted: ChatRequest, streams: Sequence[Stream], answers: Sequence[Delta]
) -> dict[str, Any]:
    return {
        **head(wanted.asked, "chatcmpl", "chat.completion"),
        "choices": [_choice(wanted, i, answer) for i, answer in enumerate(answers)],
        "usage": usage_of(streams, wanted.common.choices),
    }


def _choice(wanted: ChatRequest, index: int, answer: Delta) -> dict[str, Any]:
    reader = wanted.tools.reader()
    message = _message(reader.read(answer.text, last=True), wanted.begun)
    logprobs = None
    if wanted.common.sampling.logprobs is not None:
        logprobs = chat_logprobs(answer.logprobs, wanted.asked.model.vocabulary)
    return {
        "index": index,
        "message": message,
        "logprobs": logprobs,
        "finish_reason": finish_of(answer, reader.called and not wanted.tools.named),
        "stop_reason": answer.stop,
    }


def _message(pieces: Iterable[Piece], begun: str) -> dict[str, Any]:
    """What OpenAI's clients send back as it is, with the next question."""
    said, calls = [begun], dict[int, dict[str, Any]]()
    for piece in pieces:
        if isinstance(piece, Content):
            said.append(piece.text)
        elif isinstance(piece, CallStarted):
            calls[piece.index] = _call(piece.name)
        else:
            calls[piece.index]["function"]["arguments"] += piece.text
    content = "".join(said)
    message = {"role": "assistant", "content": content or (None if calls else ""), "refusal": None}
    return {**message, "tool_calls": list(calls.values())} if calls else message


def _call(name: str) -> dict[str, Any]:
    return {"id": call_id(), "type": "function", "function": {"name": name, "arguments": ""}}
