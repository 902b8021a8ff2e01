"""Calls to the Kubernetes API: every one bounded in time, tried again a few times, and observed.

The official client connects and authenticates. Its generated types are left aside: they cost more
than everything else for thousands of objects, so bodies are plain JSON here.
"""

import asyncio
import json
import logging
import time
from collections.abc import AsyncGenerator, Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlencode

import aiohttp
from kubernetes.aio.client import ApiClient

from shoal.cluster.kube.answers import ATTEMPTS, NOT_FOUND, Refused, passes, refusal, wait_after
from shoal.cluster.kube.kinds import Kind
from shoal.errors import WorldUnavailable

logger = logging.getLogger(__name__)

FIELD_MANAGER = "shoal"
CONNECT_S, CALL_S = 5.0, 15.0
GIVE_UP_S = 30.0
APPLY = "application/apply-patch+yaml"
JSON_PATCH = "application/json-patch+json"
MERGE_PATCH = "application/merge-patch+json"
METADATA_LIST = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
METADATA = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"
JSON = "application/json"

Observe = Callable[[str, str, int, float], None]
"""Told of every call: verb, resource, HTTP code (0 if there was no answer), seconds."""

MayWrite = Callable[[], None]
"""Called before everything that would change something; raises if that must not be any more."""

_METHODS = {"create": "POST", "patch": "PATCH", "update": "PUT", "delete": "DELETE"}
_NO_ANSWER = (aiohttp.ClientError, TimeoutError, OSError)


def _always() -> None:
    """Nothing forbids it."""


class Api:
    """One connection pool to one API server. Verbs are those of RBAC.

    A call is tried `ATTEMPTS` times at most, and not again once `GIVE_UP_S` have passed.
    """

    def __init__(self, client: ApiClient, observe: Observe, may_write: MayWrite = _always) -> None:
        self.client = client
        self._observe = observe
        self._may_write = may_write

    def guarded(self, may_write: MayWrite) -> "Api":
        """The same connections, for who may not write for ever."""
        return Api(self.client, self._observe, may_write)

    async def call(
        self,
        verb: str,
        kind: Kind,
        namespace: str = "",
        name: str = "",
        subresource: str = "",
        *,
        query: Mapping[str, str] | None = None,
        body: object = None,
        content_type: str = JSON,
        accept: str = JSON,
    ) -> Any:
        """The JSON that the server answers. What may pass is tried again a few times.

        Raises:
            AccessDenied: 403.
            KindMissing: the server does not know the kind.
            Refused: it said no otherwise.
            WorldUnavailable: it did not answer, or was busy each time.
        """
        path = kind.path(namespace, name, subresource) + _query(query)
        headers = {"Accept": accept, "Content-Type": content_type}
        what = "/".join(part for part in (namespace, name) if part)
        attempt, end = 1, time.monotonic() + GIVE_UP_S
        while True:
            last = attempt == ATTEMPTS or time.monotonic() >= end
            try:
                code, answer, retry_after = await self._once(verb, kind, path, headers, body)
            except _NO_ANSWER as error:
                if last:
                    raise _no_answer(verb, kind, error) from error
                retry_after = None
            else:
                if code < 300:
                    return json.loads(answer)
                if last or not passes(code):
                    raise refusal(verb, kind, what, code, answer, retry_after)
            await asyncio.sleep(wait_after(attempt, retry_after))
            attempt += 1

    async def find(self, kind: Kind, namespace: str, name: str) -> Any:
        """The object as it is now, or None if there is none; raises what `call` does besides."""
        try:
            return await self.call("get", kind, namespace, name)
        except Refused as error:
            if error.code == NOT_FOUND:
                return None
            raise

    async def watch(
        self,
        kind: Kind,
        query: Mapping[str, str],
        silence_s: float,
        begun: Callable[[], None],
        accept: str = JSON,
    ) -> AsyncGenerator[bytes, None]:
        """The lines of a watch, until the server ends it. Nothing is tried again here.

        `begun` is told once the server watches, which may be long before the first line.

        Raises:
            AccessDenied, KindMissing, Refused: as `call`.
            WorldUnavailable: the connection broke, or no byte came for `silence_s`.
        """
        timeout = aiohttp.ClientTimeout(sock_connect=CONNECT_S, sock_read=silence_s)
        path = kind.path() + _query({**query, "watch": "true"})
        try:
            response = await self._send("watch", kind, path, {"Accept": accept}, None, timeout)
            with _hanging_up(response):
                if response.status >= 300:
                    body, asked = await response.read(), response.headers.get("retry-after")
                    raise refusal("watch", kind, "", response.status, body, asked)
                begun()
                async for line in _lines(response.content):
                    yield line
        except _NO_ANSWER as error:
            raise _no_answer("watch", kind, error) from error

    async def _once(
        self, verb: str, kind: Kind, path: str, headers: Mapping[str, str], body: object
    ) -> tuple[int, bytes, str | None]:
        timeout = aiohttp.ClientTimeout(total=CALL_S, sock_connect=CONNECT_S)
        response = await self._send(verb, kind, path, headers, body, timeout)
        with _hanging_up(response):
            answer = await response.read()
        return response.status, answer, response.headers.get("retry-after")

    async def _send(
        self,
        verb: str,
        kind: Kind,
        path: str,
        headers: Mapping[str, str],
        body: object,
        timeout: aiohttp.ClientTimeout,
    ) -> aiohttp.ClientResponse:
        method, began, code = _METHODS.get(verb, "GET"), time.monotonic(), 0
        try:
            response = await self._respond(method, path, dict(headers), body, timeout)
            code = response.status
        finally:
            self._observe(verb, kind.resource, code, time.monotonic() - began)
        return response

    async def _respond(
        self,
        method: str,
        path: str,
        headers: dict[str, str],
        body: object,
        timeout: aiohttp.ClientTimeout,
    ) -> aiohttp.ClientResponse:
        client = self.client
        headers |= client.default_headers
        await client.update_params_for_auth(headers, [], ["BearerToken"], path, method, body)
        url = client.configuration.host + path
        if method != "GET":
            self._may_write()
        answer = await client.rest_client.request(
            method, url, headers=headers, body=body, _request_timeout=timeout
        )
        response: aiohttp.ClientResponse = answer.response
        return response


def _query(query: Mapping[str, str] | None) -> str:
    return f"?{urlencode(query)}" if query else ""


def _no_answer(verb: str, kind: Kind, error: BaseException) -> WorldUnavailable:
    why = str(error) or type(error).__name__
    return WorldUnavailable(f"Kubernetes did not answer to {verb} {kind.resource}: {why}")


@contextmanager
def _hanging_up(response: aiohttp.ClientResponse) -> Iterator[None]:
    """Give back a connection whose answer was read to its end; end any other at once.

    TLS would wait for the other side's farewell, which may never come.
    """
    try:
        yield
    finally:
        connection = response.connection
        if connection is not None and connection.transport is not None:
            connection.transport.abort()
        response.release()


async def _lines(content: aiohttp.StreamReader) -> AsyncGenerator[bytes, None]:
    """However long they are: aiohttp's own reading of lines has a limit."""
    rest = b""
    async for chunk in content.iter_any():
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            if line.strip():
                yield line
