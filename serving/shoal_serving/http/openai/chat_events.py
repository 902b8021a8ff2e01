"""The chunks of a chat that streams."""

import contextlib
import secrets
from collections.abc import AsyncGenerator, Mapping, Sequence
from typing import Any

import orjson

from shoal_serving.generate.request import Delta
from shoal_serving.generate.stream import Stream
from shoal_serving.generate.tools import CallStarted, Content, Piece
from shoal_serving.http.generating import Deltas
from shoal_serving.http.openai.chat_request import ChatRequest
from shoal_serving.http.openai.chunks import Chunks
from shoal_serving.http.openai.common import head, usage_of
from shoal_serving.http.openai.finish import finish_of
from shoal_serving.http.openai.logprobs import chat_logprobs


async def chat_events(
    wanted: ChatRequest, streams: Sequence[Stream], deltas: Deltas
) -> AsyncGenerator[bytes]:
    """Chunks as deltas come; the last part has the last chunk, the usage and the end."""
    common = wanted.common
    chunks = Chunks(
        head(wanted.asked, "chatcmpl", "chat.completion.chunk"),
        "delta",
        lambda: usage_of(streams, common.choices),
        common.usage,
        common.continuous,
    )
    choices = [_Choice(wanted, i, chunks) for i in range(common.choices)]
    unfinished = len(choices)
    async with contextlib.aclosing(deltas):
        async for place, delta in deltas:
            part = choices[place].part(delta)
            unfinished -= delta.finish is not None
            if not unfinished:
                break
            if part:
                yield part
    yield part + chunks.end()


def call_id() -> str:
    """A new call's id, which the tool's answer will name."""
    return f"call_{secrets.token_hex(12)}"


class _Choice:
    """One choice: what has been said of it already decides what the next chunk says."""

    def __init__(self, wanted: ChatRequest, index: int, chunks: Chunks) -> None:
        self._wanted = wanted
        self._index = index
        self._chunks = chunks
        self._reader = wanted.tools.reader()
        self._with_logprobs = wanted.common.sampling.logprobs is not None
        self._begun = False
        self._quick = False

    def part(self, delta: Delta) -> bytes:
        """The chunks of one delta, which may be none while its text waits for more."""
        if self._quick and delta.finish is None:
            if not delta.text:
                return b""
            return self._chunks.plain(self._index, b'{"content":%b}' % orjson.dumps(delta.text))
        return b"".join(self._chunks_of(delta))

    def _chunks_of(self, delta: Delta) -> list[bytes]:
        chunks = [] if self._begun else self._beginning()
        contents = [_delta(piece) for piece in self._reader.read(delta.text, bool(delta.finish))]
        logprobs = self._logprobs(delta)
        if logprobs is not None and not contents:
            contents = [{"content": ""}]
        for content in contents:
            chunks.append(self._chunk(content, logprobs))
            logprobs = None
        finish = finish_of(delta, self._reader.called and not self._wanted.tools.named)
        if finish is not None:
            chunks.append(self._chunks.full(self._index, b"{}", None, finish, delta.stop))
        return chunks

    def _beginning(self) -> list[bytes]:
        self._begun = True
        self._quick = self._reader.plain and not self._with_logprobs
        role = self._chunk({"role": "assistant", "content": "", "refusal": None}, None)
        begun = self._wanted.begun
        return [role, self._chunk({"content": begun}, None)] if begun else [role]

    def _chunk(self, content: Mapping[str, Any], logprobs: Mapping[str, Any] | None) -> bytes:
        return self._chunks.full(self._index, orjson.dumps(content), logprobs)

    def _logprobs(self, delta: Delta) -> dict[str, Any] | None:
        if not self._with_logprobs or not delta.logprobs:
            return None
        return chat_logprobs(delta.logprobs, self._wanted.asked.model.vocabulary)


def _delta(piece: Piece) -> dict[str, Any]:
    if isinstance(piece, Content):
        return {"content": piece.text}
    if not isinstance(piece, CallStarted):
        return {"tool_calls": [{"index": piece.index, "function": {"arguments": piece.text}}]}
    function = {"name": piece.name, "arguments": ""}
    call = {"index": piece.index, "id": call_id(), "type": "function", "function": function}
    return {"tool_calls": [call]}
