"""A bounded, steady load on one address: what failed, and the longest time without an answer."""

import asyncio
import itertools
import threading
import time
from collections import Counter
from typing import Any

import aiohttp

# Of each client.
PAUSE_S = 0.1
PATIENCE_S = 30.0


class SteadyLoad:
    """`fresh` clients that open a connection for each request, and `kept` ones that keep theirs.

    Use it as a context: the load runs while the body does. Nobody asks again after a failure.
    `failures` are (seconds since the start, what happened), `answers` are (seconds, JSON).
    """

    def __init__(self, url: str, body: dict[str, Any], *, fresh: int = 3, kept: int = 3) -> None:
        self.answers: list[tuple[float, Any]] = []
        self.failures: list[tuple[float, str]] = []
        self._url, self._body = url, body
        self._fresh, self._kept = fresh, kept
        self._stop = threading.Event()

    def __enter__(self) -> "SteadyLoad":
        self._began = time.monotonic()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()), daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(timeout=2 * PATIENCE_S)

    @property
    def elapsed(self) -> float:
        """Seconds since the start."""
        return time.monotonic() - self._began

    @property
    def longest_gap(self) -> tuple[float, float]:
        """The longest time without an answer, and when it began, in seconds."""
        moments = sorted([0.0, *(moment for moment, _ in self.answers), self.elapsed])
        return max((b - a, a) for a, b in itertools.pairwise(moments))

    def report(self, what: str) -> str:
        """In a line."""
        kinds = dict(Counter(kind for _, kind in self.failures))
        total = len(self.answers) + len(self.failures)
        gap, at = self.longest_gap
        told = f"longest gap {gap:.2f} s at {at:.0f} s of {self.elapsed:.0f} s"
        return f"{what}: {len(self.failures)} of {total} failed {kinds}, {told}"

    async def _run(self) -> None:
        timeout = aiohttp.ClientTimeout(total=PATIENCE_S)
        fresh = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(force_close=True), timeout=timeout
        )
        async with aiohttp.ClientSession(timeout=timeout) as kept, fresh:
            sessions = [fresh] * self._fresh + [kept] * self._kept
            await asyncio.gather(*(self._ask(session) for session in sessions))

    async def _ask(self, session: aiohttp.ClientSession) -> None:
        while not self._stop.is_set():
            await self._once(session)
            await asyncio.sleep(PAUSE_S)

    async def _once(self, session: aiohttp.ClientSession) -> None:
        kind = "kept" if session.connector and not session.connector.force_close else "fresh"
        try:
            async with session.post(self._url, json=self._body) as response:
                answer = await response.json(content_type=None) if response.ok else None
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            self.failures.append((self.elapsed, f"{kind} {type(error).__name__} {error}"))
            return
        if answer is not None:
            self.answers.append((self.elapsed, answer))
        else:
            self.failures.append((self.elapsed, f"{kind} {response.status}"))
