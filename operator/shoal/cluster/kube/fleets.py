"""What running Fleets say: one long poll and one probe for each, for as long as it exists.

A Fleet's ledger is on the head of the Ray cluster that its Service points to: which one that is,
the Service's selector says. Another selector, another head, and the poll begins anew.
"""

import asyncio
import base64
import contextlib
import logging
import random
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from typing import Any

from shoal.api import Ledger
from shoal.cluster.asking import (
    Caller,
    LedgerSource,
    changed_models,
    follow_address,
    follow_ledger,
)
from shoal.errors import WorldUnavailable

logger = logging.getLogger(__name__)

TOKEN_KEY = "auth_token"  # noqa: S105  where it is, not what
SETTLE_S = 0.5
# Who has not answered by then is silent. All others wait for it after each takeover.
FIRST_ANSWER_S = 2.0

Start = Callable[[Coroutine[Any, Any, None]], asyncio.Task[None]]
ReadSecret = Callable[[str, str], Awaitable[Mapping[str, str] | None]]


@dataclass(frozen=True, slots=True)
class Line:
    """How a Fleet is reached now. `head` is its ledger's base URL; empty while it has none."""

    namespace: str
    address: str
    head: str = ""


@dataclass(slots=True)
class _Fleet:
    line: Line
    tasks: list[asyncio.Task[None]] = field(default_factory=list)
    ledger: Ledger | None = None
    reachable: bool = False
    token: str = ""
    probed: asyncio.Event = field(default_factory=asyncio.Event)
    read: asyncio.Event = field(default_factory=asyncio.Event)


class Fleets:
    """Follows Fleets by name.

    `start` makes a task of what follows one. `changed` is told of a Fleet, `model_changed` of the
    `namespace/name` of a Model.
    """

    def __init__(
        self,
        caller: Caller,
        read_secret: ReadSecret,
        start: Start,
        changed: Callable[[str], None],
        model_changed: Callable[[str], None],
    ) -> None:
        self._caller = caller
        self._read_secret = read_secret
        self._start = start
        self._changed = changed
        self._model_changed = model_changed
        self._fleets: dict[str, _Fleet] = {}
        self._complained: set[str] = set()

    def ledger(self, name: str) -> Ledger | None:
        fleet = self._fleets.get(name)
        return fleet.ledger if fleet is not None else None

    def reachable(self, name: str) -> bool:
        fleet = self._fleets.get(name)
        return fleet is not None and fleet.reachable

    def follow(self, name: str, line: Line | None) -> None:
        """A Fleet is reached like this from now on; None: it is gone."""
        fleet = self._fleets.get(name)
        if fleet is not None and fleet.line == line:
            return
        if fleet is not None:
            self._stop(fleet)
            del self._fleets[name]
        if line is None:
            self._complained.discard(name)
        else:
            kept = fleet if fleet is not None and fleet.line.address == line.address else None
            self._fleets[name] = self._started(name, line, kept)

    async def first_answers(self) -> None:
        """Return once every Fleet was asked, or did not answer within `FIRST_ANSWER_S`.

        Before that, who says nothing of a Fleet would be taken for a Fleet that says nothing.
        """
        asked = [event.wait() for one in self._fleets.values() for event in (one.probed, one.read)]
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(FIRST_ANSWER_S):
                await asyncio.gather(*asked)

    def forget(self) -> None:
        """Follow nobody any more; nothing is known of any Fleet then."""
        for fleet in self._fleets.values():
            self._stop(fleet)
        self._fleets = {}

    def _stop(self, fleet: _Fleet) -> None:
        for task in fleet.tasks:
            task.cancel()

    def _started(self, name: str, line: Line, before: _Fleet | None) -> _Fleet:
        fleet = _Fleet(line)
        if before is not None:
            fleet.ledger, fleet.reachable = before.ledger, before.reachable
            fleet.probed, fleet.read = before.probed, before.read
        fleet.tasks = [
            self._start(self._probe(name, fleet)),
            self._start(self._read(name, fleet)),
        ]
        return fleet

    async def _probe(self, name: str, fleet: _Fleet) -> None:
        def take(reachable: bool) -> None:
            fleet.probed.set()
            if reachable != fleet.reachable:
                fleet.reachable = reachable
                self._changed(name)

        await asyncio.sleep(random.uniform(0, SETTLE_S))  # noqa: S311  many start at once
        await follow_address(self._caller, fleet.line.address, take)

    async def _read(self, name: str, fleet: _Fleet) -> None:
        def take(ledger: Ledger | None) -> None:
            fleet.read.set()
            before, fleet.ledger = fleet.ledger, ledger
            if (before is None) != (ledger is None):
                self._changed(name)
            else:
                for model in changed_models(before, ledger):
                    self._model_changed(model)

        async def source(refused: bool) -> LedgerSource | None:
            return await self._source(name, fleet, refused)

        await follow_ledger(self._caller, source, take)

    async def _source(self, name: str, fleet: _Fleet, refused: bool) -> LedgerSource | None:
        if not fleet.line.head:
            return None
        if refused or not fleet.token:
            fleet.token = await self._token(name, fleet.line.namespace)
        return LedgerSource(fleet.line.head, fleet.token) if fleet.token else None

    async def _token(self, name: str, namespace: str) -> str:
        """Empty while it cannot be read, which is said once."""
        secret = f"{name}-token"
        try:
            data = await self._read_secret(namespace, secret)
        except WorldUnavailable as error:
            if name not in self._complained:
                logger.warning("the token of Fleet %s cannot be read: %s", name, error)
            self._complained.add(name)
            return ""
        self._complained.discard(name)
        return base64.b64decode((data or {}).get(TOKEN_KEY, "")).decode()
