"""One candidate for the leadership of an operator: takes the Lease, keeps it, gives it back.

`shoal.plan.leadership` has the rules. The client library's own election goes by the wall clock,
waits without limit for a renewal that is not answered, and never gives the Lease back; each of
these can make two leaders, or none for longer than is needed.
"""

import asyncio
import logging
import random
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Protocol

from shoal.api import Lease
from shoal.errors import LeadershipLost, WorldUnavailable
from shoal.plan.leadership import (
    RENEW_DEADLINE_S,
    RETRY_S,
    Observed,
    expires_at,
    may_acquire,
    observed,
    released,
    renewed,
    taken,
)

logger = logging.getLogger(__name__)

# A connection that is silent is left for another while there is time for that.
ATTEMPT_S = 3.0
_JITTER = 0.2


class Leases(Protocol):
    """Where the one Lease is kept. Methods raise `WorldUnavailable`."""

    async def read(self) -> Lease:
        """The Lease; one without a resource version if there is none."""

    async def write(self, lease: Lease) -> Lease | None:
        """Create it, or change the very version that is given; None if that is not the newest."""


def steady() -> float:
    """Seconds that pass also while the machine sleeps, where its clocks know of that."""
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))


class Unopposed:
    """The leadership of an operator that runs alone."""

    leading = True
    reached = True
    idle_s = 0.0

    def check(self) -> None:
        """It may always write."""

    async def acquire(self) -> None:
        """It leads."""

    async def hold(self) -> None:
        """Nobody takes it."""
        await asyncio.Event().wait()

    async def release(self) -> None:
        """There is nobody to give it to."""


class Election:
    """Lives on one event loop. First `acquire`, then `hold`, and `release` at the end."""

    def __init__(self, leases: Leases, identity: str, clock: Callable[[], float] = steady) -> None:
        self.identity = identity
        self._leases = leases
        self._clock = clock
        self._observed: Observed | None = None
        self._held: Lease | None = None
        self._until: float | None = None
        self._tried_at: float | None = None
        self._reached = False

    @property
    def leading(self) -> bool:
        """Whether this process may write now."""
        return self._until is not None and self._clock() < self._until

    @property
    def left_s(self) -> float:
        """For how long it may write yet."""
        return 0.0 if self._until is None else max(0.0, self._until - self._clock())

    @property
    def reached(self) -> bool:
        """Whether the Lease could be read or written once."""
        return self._reached

    @property
    def idle_s(self) -> float:
        """Since when it has not even tried to read or write the Lease: it hangs if that is long."""
        return 0.0 if self._tried_at is None else self._clock() - self._tried_at

    def check(self) -> None:
        """Called before every write: also a process that was stopped for a while writes no more.

        Raises:
            LeadershipLost: this process does not lead, or cannot be sure of it.
        """
        if not self.leading:
            raise LeadershipLost(f"{self.identity} does not hold the Lease any more")

    async def acquire(self) -> None:
        """Wait until this process leads."""
        while True:
            if await self._try(self._take, ATTEMPT_S):
                break
            await asyncio.sleep(self._pause())
        logger.info("%s leads", self.identity)

    async def hold(self) -> None:
        """Keep the Lease until cancelled.

        Raises:
            LeadershipLost: another holds it, or it could not be renewed in time.
        """
        while True:
            await asyncio.sleep(min(RETRY_S, self.left_s))
            self.check()
            await self._try(self._renew, min(ATTEMPT_S, self.left_s))
            self.check()

    async def release(self) -> None:
        """Write no more, and let the next take over at once."""
        held, self._held, self._until = self._held, None, None
        if held is not None and await self._try(lambda: self._give_back(held), ATTEMPT_S):
            logger.info("%s has given the Lease back", self.identity)

    async def _try(self, step: Callable[[], Awaitable[bool]], seconds: float) -> bool:
        self._tried_at = self._clock()
        try:
            async with asyncio.timeout(seconds):
                done = await step()
        except (WorldUnavailable, TimeoutError) as error:
            logger.warning("the Lease cannot be reached: %s", str(error) or "no answer")
            return False
        self._reached = True
        return done

    async def _take(self) -> bool:
        lease, now = await self._leases.read(), self._clock()
        if not lease.metadata.resource_version and self._observed is not None:
            # Whom a deleted Lease named still leads, for as long as it said.
            spec = self._observed.lease.spec
            lease = lease.model_copy(update={"spec": spec})
        self._observed = observed(self._observed, lease, now)
        if lease.spec.holder_identity == self.identity:  # A write of ours whose answer was lost.
            return await self._write(renewed(lease, _now()))
        if not may_acquire(lease, self._observed.at, now):
            return False
        return await self._write(taken(lease, self.identity, _now()))

    async def _renew(self) -> bool:
        assert self._held is not None
        if await self._write(renewed(self._held, _now())):
            return True
        lease = await self._leases.read()
        if not lease.metadata.resource_version:  # Deleted: nobody else was given it.
            lease = lease.model_copy(update={"spec": self._held.spec})
        if lease.spec.holder_identity != self.identity:
            self._until = None
            raise LeadershipLost(f"{lease.spec.holder_identity or 'nobody'} holds the Lease now")
        return await self._write(renewed(lease, _now()))

    async def _give_back(self, held: Lease) -> bool:
        """Also if a renewal that was broken off came through after all."""
        while await self._leases.write(released(held, _now())) is None:
            held = await self._leases.read()
            if held.spec.holder_identity != self.identity:
                return False
        return True

    async def _write(self, lease: Lease) -> bool:
        """What is written holds from when the writing began: others cannot see it earlier."""
        began = self._clock()
        written = await self._leases.write(lease)
        if written is None:
            return False
        self._held, self._until = written, began + RENEW_DEADLINE_S
        self._observed = Observed(written, began)
        return True

    def _pause(self) -> float:
        """Until the next look: sooner if the Lease may be taken before."""
        wait = RETRY_S * random.uniform(1.0, 1.0 + _JITTER)  # noqa: S311  jitter is no secret
        if self._observed is None:
            return wait
        left = expires_at(self._observed.lease, self._observed.at) - self._clock()
        return min(wait, left) if left > 0 else wait


Leadership = Election | Unopposed


def _now() -> datetime:
    return datetime.now(UTC)
