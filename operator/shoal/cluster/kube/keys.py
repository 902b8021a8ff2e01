"""The keys that wait for `watch` to give them out: each waits once."""

import asyncio

from shoal.cluster import Key


class Keys:
    """A queue without doubles. Nothing is given out before it is opened."""

    def __init__(self) -> None:
        self._waiting: dict[Key, None] = {}
        self._open = False
        self._error: BaseException | None = None
        self._news = asyncio.Event()

    def add(self, key: Key) -> None:
        self._waiting[key] = None
        self._news.set()

    def open(self) -> None:
        """Give out what was added, and whatever will be."""
        self._open = True
        self._news.set()

    def close(self) -> None:
        self._open, self._error = False, None

    def fail(self, error: BaseException) -> None:
        """The next `get` raises it."""
        self._error = error
        self._news.set()

    async def get(self) -> Key:
        while self._error is None and not (self._open and self._waiting):
            self._news.clear()
            await self._news.wait()
        if self._error is not None:
            raise self._error
        key = next(iter(self._waiting))
        del self._waiting[key]
        return key
