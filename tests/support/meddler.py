"""A proxy before an API server that does to connections what networks and busy servers do."""

import asyncio
import json
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
from aiohttp import web
from kubernetes.aio.client import Configuration
from kubernetes.aio.config import load_kube_config

Match = Callable[[web.Request], bool]


@dataclass
class Refusal:
    """An answer in the API server's place, to the next `times` requests that match."""

    match: Match
    code: int
    times: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b"{}"


class Meddler:
    """Plain HTTP in front, the account of a kubeconfig behind. Use it as a context.

    `requests` has every request as `GET /path?query`, in its order. `after_a_write` is called once
    the server has carried out a request that changes something, before whoever asked hears of it.
    """

    def __init__(self, kubeconfig: Path) -> None:
        self.requests: list[str] = []
        self.after_a_write: Callable[[], None] = lambda: None
        self._behind = kubeconfig
        self._refusals: list[Refusal] = []
        self._streams: set[asyncio.Transport] = set()
        self._hung: set[asyncio.Transport] = set()

    def refuse(
        self,
        code: int,
        times: int = 1,
        *,
        match: Match = lambda _: True,
        headers: Mapping[str, str] | None = None,
        message: str = "",
        body: bytes = b"",
    ) -> None:
        """Answer the next requests with an error, or with this body."""
        status = {"kind": "Status", "code": code, "message": message, "details": {"name": "x"}}
        said = body or json.dumps(status).encode()
        self._refusals.append(Refusal(match, code, times, headers or {}, said))

    def refusals_left(self) -> int:
        return sum(refusal.times for refusal in self._refusals)

    def relent(self) -> None:
        """Refuse nothing more."""
        self._refusals.clear()

    def cut(self) -> None:
        """Break every connection that carries a stream."""
        for transport in list(self._streams):
            transport.abort()

    def hang(self) -> None:
        """The streams there are stay open and say nothing more; new ones do."""
        self._hung |= self._streams

    def kubeconfig(self, folder: Path) -> Path:
        """Of this address."""
        cluster = {"server": f"http://127.0.0.1:{self._port}"}
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "meddled", "cluster": cluster}],
            "users": [{"name": "nobody", "user": {}}],
            "contexts": [{"name": "it", "context": {"cluster": "meddled", "user": "nobody"}}],
            "current-context": "it",
        }
        path = folder / "meddled.kubeconfig"
        path.write_text(json.dumps(config))
        return path

    async def __aenter__(self) -> "Meddler":
        behind = Configuration()
        await load_kube_config(config_file=str(self._behind), client_configuration=behind)
        context = ssl.create_default_context(cafile=behind.ssl_ca_cert)
        context.load_cert_chain(behind.cert_file, behind.key_file)
        self._url = behind.host
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(ssl=context), auto_decompress=False
        )
        app = web.Application(client_max_size=2**24)
        app.router.add_route("*", "/{path:.*}", self._pass_on)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self._port = self._runner.addresses[0][1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self.cut()
        await self._runner.cleanup()
        await self._session.close()

    async def _pass_on(self, request: web.Request) -> web.StreamResponse:
        self.requests.append(f"{request.method} {request.path_qs}")
        for refusal in self._refusals:
            if refusal.times > 0 and refusal.match(request):
                refusal.times -= 1
                return web.Response(status=refusal.code, headers=refusal.headers, body=refusal.body)
        try:
            return await self._carry(request)
        except (aiohttp.ClientError, ConnectionError):
            if request.transport is not None:
                request.transport.abort()
            raise

    async def _carry(self, request: web.Request) -> web.StreamResponse:
        headers = {k: v for k, v in request.headers.items() if k.lower() not in _HOP_BY_HOP}
        async with self._session.request(
            request.method,
            self._url + request.path_qs,
            headers=headers,
            data=await request.read(),
            timeout=aiohttp.ClientTimeout(total=None),
        ) as answer:
            if request.method != "GET":
                self.after_a_write()
            kept = {k: v for k, v in answer.headers.items() if k.lower() not in _HOP_BY_HOP}
            response = web.StreamResponse(status=answer.status, headers=kept)
            await response.prepare(request)
            transport = request.transport
            self._streams.add(transport)
            try:
                async for chunk in answer.content.iter_any():
                    if transport in self._hung:
                        await asyncio.Event().wait()
                    await response.write(chunk)
            finally:
                self._streams.discard(transport)
                self._hung.discard(transport)
            await response.write_eof()
            return response


_HOP_BY_HOP = frozenset({"connection", "content-length", "host", "transfer-encoding"})


def watches(resource: str) -> Match:
    """Requests that watch a resource."""
    return lambda request: "watch=true" in request.query_string and request.path.endswith(resource)


def lists(resource: str) -> Match:
    """Requests that list a resource."""
    return lambda request: "limit=" in request.query_string and request.path.endswith(resource)
