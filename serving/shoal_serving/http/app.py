"""The ASGI application of a replica: from a path to a model and a handler, and errors to responses.

As little as possible stands between the socket and the queue: two dictionary look-ups find the
handler, and nothing else sees the request.
"""

import logging
import time
from collections.abc import Mapping
from urllib.parse import quote

from shoal.errors import ModelNotFound
from shoal_serving.hosting import HostedModel
from shoal_serving.http.asgi import Receive, Scope, Send
from shoal_serving.http.disconnects import DisconnectWatch
from shoal_serving.http.message import BODY_STALL_S, Request, Response
from shoal_serving.http.problems import problem
from shoal_serving.http.routes import Answer, find_route
from shoal_serving.http.stalls import StallWatch
from shoal_serving.stats import Statistics

# A child of Ray Serve's logger, so that the lines land in the replica's own log.
access = logging.getLogger("ray.serve.shoal.access")


class HttpApp:
    """Serves every model of one replica below `/<namespace>/<name>`.

    A body that does not come on for `body_stall_s` seconds is waited for no longer, and neither is
    a client that takes nothing of a stream for as long.
    """

    def __init__(
        self,
        models: Mapping[str, HostedModel],
        max_body_bytes: int,
        access_log: bool,
        body_stall_s: float = BODY_STALL_S,
    ) -> None:
        self._models = models
        self._max_body_bytes = max_body_bytes
        self._access_log = access_log
        if access_log:
            access.setLevel(logging.INFO)  # Ray Serve's own loggers stay at WARNING
        self._watch = DisconnectWatch()
        self._stalls = StallWatch(body_stall_s)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await _speak_otherwise(scope, receive, send)
            return
        began = time.perf_counter()
        headers = dict(scope["headers"])
        response = await self._respond(scope, headers, receive, began)
        await response.send(send)
        if self._access_log:
            _log_access(scope, headers, response, time.perf_counter() - began)

    async def _respond(
        self, scope: Scope, headers: dict[bytes, bytes], receive: Receive, began: float
    ) -> Answer:
        path: str = scope["path"]
        _, namespace, name, below = (*path.split("/", 3), "", "", "")[:4]
        model = self._models.get(f"{namespace}/{name}")
        if model is None:
            return problem(ModelNotFound(f"no model answers at {path!r}"), below)
        request = Request(
            method=scope["method"],
            path=below,
            headers=headers,
            model=model,
            max_body_bytes=self._max_body_bytes,
            receive=receive,
            watch=self._watch,
            stalls=self._stalls,
        )
        counted = False
        response: Answer
        try:
            route = find_route(scope["method"], below, name)
            counted = route.counted
            response = await route.handler(request, route.revision)
            if counted and isinstance(response, Response):
                # tritonclient's asyncio half can unpack no other answer
                response.pack_for(headers.get(b"accept-encoding"))
        except Exception as error:
            response = problem(error, below)
        answerer = request.answerer or model.serving
        if counted and answerer is not None:
            _count(response, answerer.statistics, request, began)
        return response


def _count(response: Answer, statistics: Statistics, request: Request, began: float) -> None:
    def count(known: Answer) -> None:
        seconds = time.perf_counter() - began
        statistics.answered(known.outcome, seconds, request.size, known.size)

    response.when_known(count)


async def _speak_otherwise(scope: Scope, receive: Receive, send: Send) -> None:
    """Start and stop with the server; close what is neither that nor HTTP."""
    while scope["type"] == "lifespan":
        kind = (await receive())["type"]
        await send({"type": f"{kind}.complete"})
        if kind == "lifespan.shutdown":
            return
    await receive()
    await send({"type": "websocket.close"})


def _log_access(
    scope: Scope, headers: dict[bytes, bytes], response: Answer, seconds: float
) -> None:
    client = (scope.get("client") or ("-",))[0]
    request_id = headers.get(b"x-request-id", b"-").decode("latin-1")
    access.info(
        '%s "%s %s" %d %d %.1fms request_id=%s',
        client,
        scope["method"],
        quote(scope["path"]),
        response.status,
        response.size,
        seconds * 1000,
        request_id,
    )
