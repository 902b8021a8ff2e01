"""A client of Shoal's HTTP layer: every prompt is a request whose answer streams.

`client PORT PATH` asks OpenAI's completions with prompts of tokens. It counts events and leaves
their text alone, since it shares the cores with what it measures.
"""

import asyncio
import json
import time
from collections.abc import Sequence

from bench.llm.engines.worker import Calls, Tokens, serve

_EVENT, _END, _USAGE = b"data: {", b"data: [DONE]", b'"completion_tokens":'


class Client:
    def __init__(self, port: str, path: str) -> None:
        self._port, self._path = int(port), path
        self.calls: Calls = {}

    def batch(self, prompts: Sequence[Tokens], new: Sequence[int]) -> list[list[tuple[float, int]]]:
        """The time of every event that has a token in it; tokens that come together are one event,
        whose others have its time too. Their ids are not in it and are 0 here.
        """
        return asyncio.run(self._all(prompts, new))

    async def _all(
        self, prompts: Sequence[Tokens], new: Sequence[int]
    ) -> list[list[tuple[float, int]]]:
        pairs = zip(prompts, new, strict=True)
        return list(await asyncio.gather(*(self._one(*pair) for pair in pairs)))

    async def _one(self, prompt: Tokens, new: int) -> list[tuple[float, int]]:
        loop = asyncio.get_running_loop()
        transport, answer = await loop.create_connection(_Answer, "127.0.0.1", self._port)
        transport.write(self._request(prompt, new))
        await answer.ended
        if answer.generated != new:
            raise RuntimeError(f"{answer.generated} of {new} tokens: {answer.start!r}")
        times = answer.times[:-1]  # the last event has the usage, and no token
        times += [times[-1]] * (new - len(times))
        return [(when, 0) for when in times[:new]]

    def _request(self, prompt: Tokens, new: int) -> bytes:
        asked = {
            "model": self._path.rpartition("/")[2],
            "prompt": list(prompt),
            "max_tokens": new,
            "temperature": 0,
            "ignore_eos": True,
            "stream": True,
            "stream_options": {"include_usage": True},
        }
        body = json.dumps(asked).encode()
        head = (
            f"POST {self._path}/v1/completions HTTP/1.1\r\nHost: 127.0.0.1\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n"
            "Connection: close\r\n\r\n"
        )
        return head.encode() + body


class _Answer(asyncio.Protocol):
    """One response as it comes."""

    def __init__(self) -> None:
        self.times: list[float] = []
        self.start = b""
        self.ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._last = b""

    @property
    def generated(self) -> int:
        number = self._last.rpartition(_USAGE)[2].lstrip()
        digits = number[: len(number) - len(number.lstrip(b"0123456789"))]
        return int(digits) if digits else 0

    def data_received(self, data: bytes) -> None:
        now = time.perf_counter()
        self.start = self.start or data[:300]
        self.times += [now] * data.count(_EVENT)
        self._last = (self._last + data)[-1000:]
        if _END in data and not self.ended.done():
            self.ended.set_result(None)

    def connection_lost(self, error: Exception | None) -> None:
        if not self.ended.done():
            self.ended.set_result(None)


if __name__ == "__main__":
    serve(Client)
