"""A response that leaves part by part: server-sent events.

Source: the HTML standard, section "Server-sent events", for `text/event-stream`.
"""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Callable

from shoal.errors import ClientGone
from shoal_serving.http.asgi import Message, Send
from shoal_serving.http.message import Request
from shoal_serving.http.problems import problem

# nginx, and what is built on it, would gather the parts.
_HEAD: Message = {
    "type": "http.response.start",
    "status": 200,
    "headers": [
        (b"content-type", b"text/event-stream; charset=utf-8"),
        (b"cache-control", b"no-cache"),
        (b"x-accel-buffering", b"no"),
    ],
}


class StreamedResponse:
    """Parts as they come, each of whole events, while the client is there to take them.

    The work behind `parts` ends with them: they are closed when the client leaves, and when it
    takes nothing for as long as a body may stall. An error in them becomes the last event, in the
    shape of the protocol that was asked in.
    """

    status = 200

    def __init__(self, request: Request, first: bytes, parts: AsyncGenerator[bytes]) -> None:
        """`first` was taken out of `parts` before: what failed until then has its own status."""
        self._request = request
        self._first = first
        self._parts = parts
        self._count: Callable[[StreamedResponse], None] | None = None
        self.outcome = "ok"
        self.size = 0

    def when_known(self, count: "Callable[[StreamedResponse], None]") -> None:
        """Call `count` once the outcome and the size are known: when it has ended."""
        self._count = count

    async def send(self, send: Send) -> None:
        """Send all of it. Of a response that the client does not take the end is never sent."""
        try:
            with self._request.watch.watching(self._request.receive, at_once=True):
                async with contextlib.aclosing(self._parts):
                    await self._send(send)
        except (ClientGone, _Stuck):
            self.outcome = ClientGone.__name__
        except asyncio.CancelledError:
            self.outcome = ClientGone.__name__
            raise
        finally:
            if self._count is not None:
                self._count(self)

    async def _send(self, send: Send) -> None:
        await send({**_HEAD, "headers": list(_HEAD["headers"])})
        try:
            await self._put(send, self._first)
            async for part in self._parts:
                await self._put(send, part)
        except _Stuck:
            raise
        except Exception as error:
            await self._put(send, self._failure(error))
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _put(self, send: Send, part: bytes) -> None:
        message = {"type": "http.response.body", "body": part, "more_body": True}
        try:
            await self._request.stalls.send(send, message)
        except TimeoutError:
            raise _Stuck from None
        self.size += len(part)

    def _failure(self, error: Exception) -> bytes:
        response = problem(error, self._request.path)
        self.outcome = response.outcome
        return b"data: %b\n\n" % response.body


class _Stuck(Exception):
    """The client takes nothing any more."""
