"""A queue of keys: each waits once, is worked on by one worker at a time, and comes back later.

A key that fails comes back with exponential back-off and jitter; one that succeeds starts afresh.
"""

import asyncio
import random
from collections import deque

from shoal.cluster import Key

BACK_OFF_FIRST_S, BACK_OFF_MOST_S = 0.2, 60.0
# How often a key is worked on at most for what happens around it.
PACE_S = 0.5
_DOUBLINGS = 16  # Enough to reach the most; more would overflow one day.


class WorkQueue:
    """Lives on one event loop. `get` hands out a key; `done` or `failed` must follow."""

    def __init__(self) -> None:
        self._ready: dict[str, deque[Key]] = {}  # By kind; the one that had its turn is the last.
        self._there = asyncio.Semaphore(0)
        self._waiting: dict[Key, float] = {}  # Since when, the oldest first.
        self._working: dict[Key, float] = {}  # Since when.
        self._again: set[Key] = set()
        self._failures: dict[Key, int] = {}
        self._timers: dict[Key, asyncio.TimerHandle] = {}
        self._resting: dict[Key, asyncio.TimerHandle] = {}
        self._closed = False

    @property
    def depth(self) -> int:
        """Keys that wait for a worker."""
        return len(self._waiting)

    @property
    def oldest_s(self) -> float:
        """How long the key that waits longest has done so."""
        return _age(next(iter(self._waiting.values()), None))

    @property
    def longest_s(self) -> float:
        """How long the key that is worked on longest has been."""
        return _age(min(self._working.values(), default=None))

    def add(self, key: Key) -> None:
        """Work on it soon; if it is being worked on, once more afterwards."""
        if key in self._working:
            self._again.add(key)
        elif key not in self._waiting:
            self._waiting[key] = asyncio.get_running_loop().time()
            self._ready.setdefault(key.kind, deque()).append(key)
            self._there.release()

    def add_after(self, key: Key, seconds: float) -> None:
        """Work on it later, or sooner if it is added meanwhile. The earliest time counts."""
        self._add_at(key, asyncio.get_running_loop().time() + seconds)

    def add_paced(self, key: Key, seconds: float) -> None:
        """Work on it after the seconds, but not within `PACE_S` of the last time."""
        rest = self._resting.get(key)
        due = asyncio.get_running_loop().time() + seconds
        self._add_at(key, due if rest is None else max(due, rest.when()))

    async def get(self) -> Key | None:
        """The next key; None once the queue is closed.

        Kinds take turns, so that few Fleets never wait for many Models.
        """
        await self._there.acquire()
        if self._closed:
            self._there.release()  # For the next worker.
            return None
        key, loop = self._next(), asyncio.get_running_loop()
        del self._waiting[key]
        self._working[key] = loop.time()
        self._rest(key, loop)
        return key

    def done(self, key: Key) -> None:
        """It went well, or cannot go better."""
        self._failures.pop(key, None)
        self._finish(key)

    def failed(self, key: Key) -> float:
        """It went wrong; it comes back after the seconds that are returned."""
        failures = self._failures.get(key, 0)
        self._failures[key] = failures + 1
        most = min(BACK_OFF_MOST_S, BACK_OFF_FIRST_S * 2.0 ** min(failures, _DOUBLINGS))
        wait = most * random.uniform(0.5, 1.0)  # noqa: S311  jitter is no secret
        self._finish(key)
        self.add_after(key, wait)
        return wait

    def close(self) -> None:
        """Hand out no key any more; who waits for one gets None."""
        self._closed = True
        self._there.release()

    def _next(self) -> Key:
        kind = next(kind for kind, keys in self._ready.items() if keys)
        keys = self._ready[kind] = self._ready.pop(kind)
        return keys.popleft()

    def _add_at(self, key: Key, due: float) -> None:
        timer = self._timers.get(key)
        if timer is not None and timer.when() <= due:
            return
        if timer is not None:
            timer.cancel()
        self._timers[key] = asyncio.get_running_loop().call_at(due, self._due, key)

    def _rest(self, key: Key, loop: asyncio.AbstractEventLoop) -> None:
        rest = self._resting.pop(key, None)
        if rest is not None:
            rest.cancel()
        self._resting[key] = loop.call_later(PACE_S, self._resting.pop, key, None)

    def _finish(self, key: Key) -> None:
        del self._working[key]
        if key in self._again:
            self._again.discard(key)
            self.add(key)

    def _due(self, key: Key) -> None:
        self._timers.pop(key, None)
        self.add(key)


def _age(since: float | None) -> float:
    return 0.0 if since is None else asyncio.get_running_loop().time() - since
