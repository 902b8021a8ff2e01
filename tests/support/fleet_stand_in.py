"""Fleets that answer, for an operator outside of any cluster: a proxy that speaks in their place.

The operator reaches `http://<service>.<namespace>.svc:8000` through the proxy that its environment
names; this is that proxy, and it answers itself.
"""

import asyncio

from aiohttp import web

from shoal.api import Ledger


class Fleets:
    """Who answers how: `healthy` has the host names of Services whose `/-/healthz` gives 200.

    `ledgers` holds, by the host name of a head, the token and what is said; a change wakes whoever
    waits. `asked` has every URL. Use it as a context.
    """

    def __init__(self) -> None:
        self.healthy: set[str] = set()
        self.asked: list[str] = []
        self._ledgers: dict[str, tuple[str, Ledger]] = {}
        self._changed = asyncio.Event()

    def say(self, head: str, token: str, ledger: Ledger | None) -> None:
        """What the ledger on a head says from now on, to who has the token; None: nothing."""
        self._ledgers.pop(head, None)
        if ledger is not None:
            self._ledgers[head] = (token, ledger)
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
        host, known = request.url.host, request.headers.get("if-none-match", "")
        wait = float(request.query.get("wait", "0"))
        if host in self._ledgers and _etag(self._ledgers[host][1]) == known:
            try:
                await asyncio.wait_for(self._changed.wait(), wait)
            except TimeoutError:
                return web.Response(status=304, headers={"etag": known})
        if host not in self._ledgers:
            return web.Response(status=503)
        token, ledger = self._ledgers[host]
        if request.headers.get("authorization") != f"Bearer {token}":
            return web.Response(status=401)
        text = ledger.model_dump_json(by_alias=True)
        return web.Response(text=text, headers={"etag": _etag(ledger)})


def _etag(ledger: Ledger) -> str:
    return f'W/"{hash(ledger.model_dump_json())}"'
