"""A completion of OpenAI's shape, read event by event as it comes."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx


class Completion:
    """What came of one so far. `done`: the stream ended as OpenAI's do."""

    def __init__(self, response: httpx.Response) -> None:
        self.text = ""
        self.revisions: set[str] = set()
        self.finish: str | None = None
        self.done = False
        self.error: Any = None
        self._lines = response.aiter_lines()

    async def begun(self) -> "Completion":
        """Read until there is some text."""
        while not self.text:
            assert await self._read(), "it ended before its first text"
        return self

    async def ended(self) -> "Completion":
        """Read to the end.

        Raises:
            httpx.HTTPError: the connection broke.
        """
        while await self._read():
            pass
        return self

    async def _read(self) -> bool:
        async for line in self._lines:
            if line == "data: [DONE]":
                self.done = True
            elif line:
                self._take(json.loads(line.removeprefix("data: ")))
                return True
        return False

    def _take(self, event: dict[str, Any]) -> None:
        self.error = event.get("error")
        if self.error:
            return
        self.revisions.add(event["system_fingerprint"])
        for choice in event["choices"]:
            self.text += choice["text"]
            self.finish = choice["finish_reason"]


@asynccontextmanager
async def completion(
    client: httpx.AsyncClient, base: str, **body: Any
) -> AsyncIterator[Completion]:
    """Ask the model at a base URL; the connection is closed with the context.

    Raises:
        httpx.HTTPStatusError: it refused.
    """
    given = {"stream": True, "temperature": 0, **body}
    async with client.stream("POST", f"{base}/v1/completions", json=given) as response:
        if response.is_error:
            await response.aread()
            response.raise_for_status()
        yield Completion(response)
