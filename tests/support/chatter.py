"""A bounded load of streams, each of which must say exactly what it should."""

import asyncio
import itertools
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import httpx
from completions_stream import Completion, completion
from spoken import LONGEST, Spoken

MOST_S = 120.0


@dataclass
class Chatter:
    """`clients` clients that ask one thing after another, again and again.

    Use it as a context: the load runs while the body does, at most for `MOST_S`. `right` says
    whether an answer is. `revisions` counts the answers by what gave them.
    """

    base: str
    cases: Sequence[Spoken]
    right: Callable[[Spoken, Completion], bool]
    clients: int = 6
    revisions: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)

    def __enter__(self) -> "Chatter":
        self._stop = threading.Event()
        self._until = time.monotonic() + MOST_S
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()), daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(timeout=60)

    async def _run(self) -> None:
        async with httpx.AsyncClient(timeout=30, trust_env=False) as client:
            await asyncio.gather(*(self._ask(client, first) for first in range(self.clients)))

    async def _ask(self, client: httpx.AsyncClient, first: int) -> None:
        for case in itertools.islice(itertools.cycle(self.cases), first, None):
            if self._stop.is_set() or time.monotonic() > self._until:
                return
            try:
                await self._once(client, case)
            except httpx.HTTPError as error:
                self.failures.append(repr(error))

    async def _once(self, client: httpx.AsyncClient, case: Spoken) -> None:
        asked = {"model": case.model, "prompt": case.tokens, "max_tokens": LONGEST}
        async with completion(client, self.base, **asked) as answer:
            await answer.ended()
        if answer.done and self.right(case, answer):
            self.revisions.update(answer.revisions)
        else:
            self.failures.append(f"{case} was answered {answer.text!r}, {answer.error}")
