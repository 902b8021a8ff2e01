"""One chat completion, read as it is generated: OpenAI's, by server-sent events.

Source: OpenAI's API reference (chat completions, streaming), and for the events the HTML standard,
https://html.spec.whatwg.org/multipage/server-sent-events.html.
"""

import json
from collections.abc import Generator, Iterable, Iterator, Mapping
from typing import Any, NamedTuple

import httpx

from shoal.cli.asking import Address, problem_of, sentence_of
from shoal.errors import InferenceFailed

_CONNECT_S = 10.0
_END = "[DONE]"


class Piece(NamedTuple):
    """Some text of an answer. The last piece says why it ended, in OpenAI's words (`stop`)."""

    text: str
    finish: str | None = None


def complete(
    model: Address, request: Mapping[str, Any], silence: float
) -> Generator[Piece, None, None]:
    """Ask a model; its answer as it comes.

    Closing the generator closes the connection, and that stops the model. `silence` is how many
    seconds it may take until the next piece.

    Raises:
        InferenceFailed: it refused, or the answer did not come to its end.
    """
    address = f"{model.url}/v1/chat/completions"
    timeout = httpx.Timeout(_CONNECT_S, read=silence)
    body = {**request, "stream": True}
    try:
        with model.client.stream("POST", address, json=body, timeout=timeout) as response:
            if response.is_error:
                response.read()
                raise InferenceFailed(f"{response.status_code}: {problem_of(response)}")
            yield from _pieces(events(_received(response)))
    except httpx.HTTPError as error:
        raise InferenceFailed(f"{model.url}: {error or type(error).__name__}") from error


def events(chunks: Iterable[bytes]) -> Iterator[str]:
    """The data of each server-sent event. Lines may end with LF or CRLF, but not with CR alone."""
    data: list[bytes] = []
    for line in _lines(chunks):
        if line.startswith(b"data:"):
            data.append(line[5:].removeprefix(b" "))
        elif not line and data:
            yield b"\n".join(data).decode(errors="replace")
            data = []


def _lines(chunks: Iterable[bytes]) -> Iterator[bytes]:
    rest = b""
    for chunk in chunks:
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            yield line.removesuffix(b"\r")


def _received(response: httpx.Response) -> Iterator[bytes]:
    try:
        yield from response.iter_bytes()
    except httpx.HTTPError as error:
        raise _lost(str(error) or type(error).__name__) from error


def _pieces(data: Iterable[str]) -> Iterator[Piece]:
    ended = False
    for text in data:
        if text == _END:
            return
        piece = _piece(text)
        ended = ended or piece.finish is not None
        yield piece
    if not ended:
        raise _lost("it was closed")


def _piece(text: str) -> Piece:
    """One `chat.completion.chunk`; without choices it only counts tokens."""
    try:
        chunk = json.loads(text)
        if chunk.get("error"):
            raise InferenceFailed(sentence_of(chunk["error"]))
        choice = chunk["choices"][0] if chunk["choices"] else {"delta": {}}
        return Piece(choice["delta"].get("content") or "", choice.get("finish_reason"))
    except (AttributeError, LookupError, TypeError, ValueError) as error:
        problem = f"expected a chunk of a chat completion, got {text[:80]}"
        raise InferenceFailed(problem) from error


def _lost(why: str) -> InferenceFailed:
    return InferenceFailed(f"the connection was lost before the answer was complete: {why}")
