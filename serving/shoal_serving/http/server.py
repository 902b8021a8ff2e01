"""The two things that uvicorn, Ray Serve's server in a replica, must do otherwise.

It writes the head of a response in one system call and the body in another. A replica that is
killed between the two leaves its client half an answer, which HAProxy cannot ask again for; and
two packets cost more than one. And a response that was given up, because its client takes nothing
any more, keeps its connection until the client takes what was written before, which may be never.
uvicorn has no switch for either, and Ray passes none on.
"""

from typing import Any

from uvicorn.protocols.http import httptools_impl

_Cycle: Any = httptools_impl.RequestResponseCycle


def write_heads_with_bodies() -> None:
    """From here on every response of this process leaves with the head and the first of its body
    in one write. A head waits for that part, which a stream should send at once. A response that
    ends before it is complete is cut off.
    """
    httptools_impl.RequestResponseCycle = _OneWriteCycle  # type: ignore[misc]


class _OneWriteCycle(_Cycle):  # type: ignore[misc]
    """One request and its response, as uvicorn keeps them."""

    transport: Any
    _head: dict[str, Any] | None = None

    async def run_asgi(self, app: Any) -> None:
        await super().run_asgi(app)
        if self.response_started and not self.response_complete:
            self.transport.abort()

    async def send(self, message: dict[str, Any]) -> None:
        if message["type"] == "http.response.start" and not self.response_started:
            self._head = message
            return
        head, self._head = self._head, None
        if head is None:
            await super().send(message)
            return
        transport, self.transport = self.transport, _Gathering(self.transport)
        try:
            await super().send(head)
            await super().send(message)
        finally:
            self.transport.flush()
            self.transport = transport


class _Gathering:
    """A transport that keeps what is written until it is flushed, or closed."""

    def __init__(self, transport: Any) -> None:
        self._transport = transport
        self._parts: list[bytes] = []

    def write(self, data: bytes) -> None:
        self._parts.append(data)

    def flush(self) -> None:
        parts, self._parts = self._parts, []
        if parts:
            self._transport.writelines(parts)

    def close(self) -> None:
        self.flush()
        self._transport.close()
