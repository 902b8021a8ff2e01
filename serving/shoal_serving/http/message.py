"""One HTTP request and its response, as little above ASGI as will do."""

import asyncio
import re
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

import orjson

from shoal.errors import InvalidRequest, Overloaded, RequestTooLarge
from shoal_serving.http.asgi import Message, Receive, Send
from shoal_serving.http.disconnects import DisconnectWatch
from shoal_serving.http.stalls import StallWatch
from shoal_serving.tasks.reading import expected, kind

if TYPE_CHECKING:
    from shoal_serving.batched_model import BatchedModel
    from shoal_serving.hosting import HostedModel
    from shoal_serving.http.generating import GenerativeModel
    from shoal_serving.model import LoadedModel

T = TypeVar("T")

BODY_STALL_S = 30.0
COMPRESS_FROM = 32 * 1024
LARGE_BODY = 32 * 1024
_REFUSES_GZIP = re.compile(rb"gzip *; *q=0(\.0*)? *(,|$)")
JSON = b"application/json"
BINARY = b"application/octet-stream"


@dataclass(slots=True)
class Request:
    """A request for one model. `path` is what follows the model's base URL, without its slash.

    `size` is the body's as it was sent and `unpacked` as it is read; `answerer` is the loaded model
    that was asked, if one was.
    """

    method: str
    path: str
    headers: dict[bytes, bytes]
    model: "HostedModel"
    max_body_bytes: int
    receive: Receive
    watch: DisconnectWatch
    stalls: StallWatch
    size: int = 0
    unpacked: int = 0
    answerer: "LoadedModel | GenerativeModel | None" = None

    @property
    def host(self) -> str:
        """The address that the client used, for links."""
        return self.headers.get(b"host", b"localhost").decode("latin-1")

    @property
    def serving(self) -> "LoadedModel":
        """The model that answers now.

        Raises:
            Overloaded: nothing is loaded yet.
        """
        if self.model.serving is None:
            raise Overloaded(self.model.excuse())
        return self.model.serving

    async def answer(self, model: "BatchedModel", query: Any, timeout: float | None = None) -> Any:
        """The model's answer. The body must have been read.

        Raises:
            ClientGone: the client left before its turn came.
            RequestError: the query cannot be answered.
        """
        self.answerer = model
        with self.watch.watching(self.receive):
            return await model.answer(query, timeout, large=self.unpacked > LARGE_BODY)

    async def aside(self, read: Callable[..., T], *given: Any) -> T:
        """What `read` makes of it, in a thread if the body is large: others need not wait."""
        if self.unpacked <= LARGE_BODY:
            return read(*given)
        return await asyncio.get_running_loop().run_in_executor(None, read, *given)

    async def body(self) -> bytes:
        """The whole body, unpacked.

        Raises:
            RequestTooLarge: it is over the limit, as sent or unpacked.
            InvalidRequest: it ended early, stalled, or is packed in a way that cannot be read.
        """
        self._check_length(int(self.headers.get(b"content-length") or 0))
        message = await self._next_part(0)
        body: bytes = message.get("body", b"")
        if message.get("more_body", False):
            body = await self._rest(body)
        self.size = len(body)
        self._check_length(self.size)
        encoding = self.headers.get(b"content-encoding")
        if encoding:
            body = self._unpacked(body, encoding.decode("latin-1").lower())
        self.unpacked = len(body)
        return body

    async def json(self) -> dict[str, Any]:
        """The body as a JSON object.

        Raises:
            InvalidRequest: it is not one.
        """
        try:
            value = orjson.loads(await self.body())
        except orjson.JSONDecodeError as error:
            raise InvalidRequest(f"the body is not valid JSON: {error}") from error
        if not isinstance(value, dict):
            raise expected("the body", "a JSON object", kind(value))
        return value

    async def _rest(self, body: bytes) -> bytes:
        parts, size, more = [body], len(body), True
        while more:
            message = await self._next_part(size)
            part = message.get("body", b"")
            parts.append(part)
            size += len(part)
            self._check_length(size)
            more = message.get("more_body", False)
        return b"".join(parts)

    async def _next_part(self, received: int) -> Message:
        try:
            message = await self.stalls.receive(self.receive)
        except TimeoutError:
            raise InvalidRequest(
                f"the body stalled for {self.stalls.seconds:g} s after {received} bytes"
            ) from None
        if message["type"] == "http.disconnect":
            raise InvalidRequest(f"the connection closed after {received} bytes of the body")
        return message

    def _check_length(self, size: int) -> None:
        if size > self.max_body_bytes:
            raise self._too_large(f"{size} bytes")

    def _too_large(self, size: str) -> RequestTooLarge:
        return RequestTooLarge(
            f"the body has {size}; the limit is {self.max_body_bytes} "
            "(Fleet spec.network.maxBodySize)"
        )

    def _unpacked(self, body: bytes, encoding: str) -> bytes:
        if encoding == "identity":
            return body
        if encoding not in ("gzip", "deflate"):
            raise InvalidRequest(
                f"content-encoding {encoding!r}: expected gzip, deflate or identity"
            )
        try:
            # 47: zlib or gzip, by the header.
            unpacker = zlib.decompressobj(47)
            unpacked = unpacker.decompress(body, self.max_body_bytes + 1)
        except zlib.error as error:
            raise InvalidRequest(f"the body is not valid {encoding}: {error}") from error
        if len(unpacked) > self.max_body_bytes:
            raise self._too_large("too many bytes when unpacked")
        if not unpacker.eof:
            raise InvalidRequest(f"the {encoding} body ends too early")
        if unpacker.unused_data:
            raise InvalidRequest(f"the {encoding} body goes on after its end")
        return unpacked


@dataclass(slots=True)
class Response:
    """A whole response; `headers` beyond the content's type and length.

    `outcome` is what statistics count: `ok`, or the name of the error.
    """

    status: int
    body: bytes
    content_type: bytes = JSON
    headers: list[tuple[bytes, bytes]] = field(default_factory=list)
    outcome: str = "ok"

    @property
    def size(self) -> int:
        """Bytes of the body."""
        return len(self.body)

    def when_known(self, count: "Callable[[Response], None]") -> None:
        """Call `count` once the outcome and the size are known, which they are."""
        count(self)

    @classmethod
    def json(cls, value: Any, status: int = 200) -> "Response":
        return cls(status, orjson.dumps(value, option=orjson.OPT_SERIALIZE_NUMPY))

    async def send(self, send: Send) -> None:
        start = {
            "type": "http.response.start",
            "status": self.status,
            "headers": [
                (b"content-type", self.content_type),
                (b"content-length", b"%d" % len(self.body)),
                *self.headers,
            ],
        }
        await send(start)
        await send({"type": "http.response.body", "body": self.body})

    def pack_for(self, accepted: bytes | None) -> None:
        """Compress large JSON for a client that takes gzip; tensors hardly shrink and stay."""
        if accepted is None or len(self.body) < COMPRESS_FROM or self.content_type != JSON:
            return
        if b"gzip" not in accepted or _REFUSES_GZIP.search(accepted):
            return
        packer = zlib.compressobj(1, wbits=31)
        self.body = packer.compress(self.body) + packer.flush()
        self.headers.append((b"content-encoding", b"gzip"))
