"""How a running Fleet is asked: its ledger by long poll, its address by probes.

Shared by every `Cluster` whose Fleets answer over HTTP. A silence is not an error here: it is what
is reported.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, NamedTuple
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import aiohttp
from pydantic import ValidationError

from shoal.api import Ledger
from shoal.api.ledger import ModelReport
from shoal.api.runtime import LEDGER_PREFIX

logger = logging.getLogger(__name__)

PROBE_S = 5.0
# A Fleet that has just gone is looked for often, one that stays away less so.
DOWN_FIRST_S, DOWN_S, DOWN_SOON_S = 0.3, 1.0, 30.0
# A head whose node is lost says nothing, not even that it is gone: its last words are believed for
# two of these at most.
LEDGER_WAIT_S = 10
MARGIN_S = 3.0
CONNECT_S = 3.0
ANSWER_S = 5.0


class Answer(NamedTuple):
    """What came back. Code 0 means that nothing did."""

    code: int
    body: bytes = b""
    etag: str = ""


class Caller:
    """Asks Fleets. `trust_env` is whether the environment's proxies are for them.

    There are as many connections as are asked for: every Fleet has a long poll, and none waits.
    """

    def __init__(self, trust_env: bool) -> None:
        self._trust_env = trust_env
        self._sessions: dict[bool, aiohttp.ClientSession] = {}

    async def get(
        self,
        url: str,
        headers: Mapping[str, str] | None = None,
        seconds: float = ANSWER_S,
        *,
        fresh: bool = False,
    ) -> Answer:
        """The answer to a GET; no answer within the time is one, too. `fresh`: by a connection of
        its own, which is ended after it.
        """
        timeout = aiohttp.ClientTimeout(total=seconds, sock_connect=CONNECT_S)
        try:
            async with self._session(fresh).get(
                url,
                headers=headers,
                timeout=timeout,
                allow_redirects=False,
                proxy=_proxy_for(url) if self._trust_env else None,
            ) as response:
                body = await response.read()
                return Answer(response.status, body, response.headers.get("etag", ""))
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError):
            return Answer(0)

    async def answers(self, url: str) -> bool:
        """Whether it gives 200.

        A Service chooses a pod for each connection. One that is kept asks the same pod for ever,
        be it one that leaves, or of a Ray cluster to which the Service does not point any more.
        """
        return (await self.get(url, fresh=True)).code == 200

    async def close(self) -> None:
        """Until it is used again."""
        sessions, self._sessions = self._sessions, {}
        for session in sessions.values():
            await session.close()

    def _session(self, fresh: bool) -> aiohttp.ClientSession:
        if fresh not in self._sessions:
            connector = aiohttp.TCPConnector(limit=0, force_close=fresh)
            self._sessions[fresh] = aiohttp.ClientSession(connector=connector)
        return self._sessions[fresh]


def _proxy_for(url: str) -> str | None:
    """The environment's. To leave this to aiohttp costs as much as the rest of a probe: it takes a
    thread and reads ~/.netrc each time.
    """
    there = urlsplit(url)
    bypassed = proxy_bypass(there.hostname or "")
    return None if bypassed else getproxies().get(there.scheme)


class LedgerSource(NamedTuple):
    """Where a Fleet's ledger is, and the token that opens it."""

    base: str
    token: str


async def follow_ledger(
    caller: Caller,
    source: Callable[[bool], Awaitable[LedgerSource | None]],
    take: Callable[[Ledger | None], None],
) -> None:
    """Tell every new state of the ledger, and None once it is silent; until it is cancelled.

    `source` says where it is, or None while there is none; it is asked again with True when the
    token was refused.
    """
    etag, refused, down = "", False, _Down()
    while True:
        where = await source(refused)
        answer = await _read_ledger(caller, where, etag) if where is not None else Answer(0)
        refused = answer.code == 401
        ledger = _ledger(answer)
        if ledger is None and answer.code != 304:
            etag = ""
            if down.times >= 1 or where is None:  # one lost connection is no news
                take(None)
            await down.pause()
            continue
        etag, down = answer.etag or etag, _Down()
        if ledger is not None:
            take(ledger)
        if not etag:  # somebody between took it away, so nobody waits for news
            await asyncio.sleep(PROBE_S)


class _Down:
    """How long to wait before asking again who does not answer: not long at first."""

    def __init__(self) -> None:
        self.times = 0
        self._since = time.monotonic()

    async def pause(self) -> None:
        self.times += 1
        soon = time.monotonic() - self._since < DOWN_SOON_S
        await asyncio.sleep(DOWN_FIRST_S if soon else DOWN_S)


async def _read_ledger(caller: Caller, where: LedgerSource, etag: str) -> Answer:
    headers = {"authorization": f"Bearer {where.token}", "if-none-match": etag}
    url = f"{where.base}{LEDGER_PREFIX}/models?wait={LEDGER_WAIT_S}"
    return await caller.get(url, headers, LEDGER_WAIT_S + MARGIN_S)


def _ledger(answer: Answer) -> Ledger | None:
    if answer.code != 200:
        return None
    try:
        return Ledger.model_validate_json(answer.body)
    except ValidationError as error:
        logger.warning("the ledger cannot be read: %s", error)
        return None


async def follow_address(caller: Caller, address: str, take: Callable[[bool], None]) -> None:
    """Tell what each probe of a Fleet's own address sees; until it is cancelled.

    One pod that does not answer, where another does, is no news of the Fleet.
    """
    url, down = f"{address}/-/healthz", _Down()
    while True:
        reachable = await caller.answers(url)
        if not reachable and down.times == 0:
            reachable = await caller.answers(url)
        take(reachable)
        if reachable:
            down = _Down()
            await asyncio.sleep(PROBE_S)
        else:
            await down.pause()


def changed_models(before: Ledger | None, after: Ledger | None) -> set[str]:
    """`namespace/name` of the Models of which something else is said now."""
    old = before.models if before is not None else {}
    new = after.models if after is not None else {}
    return {
        key for key in old.keys() | new.keys() if _essence(old.get(key)) != _essence(new.get(key))
    }


def _essence(report: ModelReport | None) -> dict[str, Any] | None:
    """What a report says, without what every heartbeat changes."""
    if report is None:
        return None
    return report.model_dump(exclude={"replicas": {"__all__": {"reported", "requests"}}})
