"""A bounded load on one address of loopback, which counts what failed and when nothing came."""

import asyncio
import itertools
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import httpx

MOST_S = 120.0


@dataclass
class Traffic:
    """`clients` keep-alive clients, each asking again `pause` seconds after its last answer.

    Use it as a context: the load runs while the body does, at most for `MOST_S`. `answers` are
    (seconds since the start, JSON body), `failures` are (seconds, what happened).
    """

    url: str
    body: dict[str, Any]
    clients: int = 8
    pause: float = 0.01
    answers: list[tuple[float, Any]] = field(default_factory=list)
    failures: list[tuple[float, str]] = field(default_factory=list)

    def __enter__(self) -> "Traffic":
        self._stop = threading.Event()
        self._began = time.monotonic()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()), daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(timeout=60)

    @property
    def elapsed(self) -> float:
        return time.monotonic() - self._began

    @property
    def longest_gap(self) -> float:
        """The longest time without an answer, in seconds."""
        times = sorted(moment for moment, _ in self.answers)
        return max((b - a for a, b in itertools.pairwise(times)), default=0.0)

    def report(self, what: str) -> str:
        kinds = dict(Counter(kind for _, kind in self.failures))
        total = len(self.answers) + len(self.failures)
        gap = self.longest_gap
        return f"{what}: {len(self.failures)} of {total} failed {kinds}, longest gap {gap:.2f} s"

    async def _run(self) -> None:
        async with httpx.AsyncClient(timeout=30, trust_env=False) as client:
            await asyncio.gather(*(self._ask(client) for _ in range(self.clients)))

    async def _ask(self, client: httpx.AsyncClient) -> None:
        while not self._stop.is_set() and self.elapsed < MOST_S:
            await self._once(client)
            await asyncio.sleep(self.pause)

    async def _once(self, client: httpx.AsyncClient) -> None:
        try:
            response = await client.post(self.url, json=self.body)
        except httpx.HTTPError as error:
            self.failures.append((self.elapsed, type(error).__name__))
            return
        if response.status_code == httpx.codes.OK:
            self.answers.append((self.elapsed, response.json()))
        else:
            self.failures.append((self.elapsed, str(response.status_code)))
