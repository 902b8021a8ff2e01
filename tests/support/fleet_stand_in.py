"""Fleets that answer, for an operator outside of any cluster: a proxy that speaks in their place.

The operator reaches `http://<service>.<namespace>.svc:8000` through the proxy that its environment
names; this is that proxy, and it answers itself.
"""

import asyncio
import contextlib
import hashlib
from dataclasses import dataclass

from aiohttp import web

from shoal.api import Ledger


@dataclass(frozen=True)
class _Said:
    """What a ledger says, and the token that opens it."""

    token: str
    text: str
    etag: str


class Fleets:
    """Who answers how: `healthy` has the host names of Services whose `/-/healthz`, and whatever
    else is asked of them, gives 200.

    A ledger says things by the host name of its head; a change wakes whoever waits for it. `asked`
    has every URL. Use it as a context.
    """

    def __init__(self) -> None:
        self.healthy: set[str] = set()
        self.asked: list[str] = []
        self._ledgers: dict[str, _Said] = {}
        self._changed = asyncio.Event()

    def say(self, head: str, token: str, ledger: Ledger | None) -> None:
        """What the ledger on a head says from now on, to who has the token; None: nothing."""
        self._ledgers.pop(head, None)
        if ledger is not None:
            text = ledger.model_dump_json(by_alias=True)
            etag = f'W/"{hashlib.sha256(text.encode()).hexdigest()[:32]}"'
            self._ledgers[head] = _Said(token, text, etag)
        self._changed.set()
        self._changed = asyncio.Event()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    async def __aenter__(self) -> "Fleets":
        server = web.Server(self._answer)
        self._runner = web.ServerRunner(server, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self._port = self._runner.addresses[0][1]
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._runner.cleanup()

    async def _answer(self, request: web.BaseRequest) -> web.Response:
        self.asked.append(str(request.url))
        if request.path == "/-/shoal/models":
            return await self._ledger(request)
        return web.Response(status=200 if request.url.host in self.healthy else 503)

    async def _ledger(self, request: web.BaseRequest) -> web.Response:
        host, known = request.url.host or "", request.headers.get("if-none-match", "")
        await self._news(host, known, float(request.query.get("wait", "0")))
        said = self._ledgers.get(host)
        if said is None:
            return web.Response(status=503)
        if said.etag == known:
            return web.Response(status=304, headers={"etag": known})
        if request.headers.get("authorization") != f"Bearer {said.token}":
            return web.Response(status=401)
        return web.Response(text=said.text, headers={"etag": said.etag})

    async def _news(self, host: str, known: str, seconds: float) -> None:
        """Return once a ledger says something else than what is known, or after so long."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while (said := self._ledgers.get(host)) is not None and said.etag == known:
                    await self._changed.wait()
