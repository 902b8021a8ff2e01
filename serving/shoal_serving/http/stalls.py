"""Ends waits for clients that send nothing more, or take nothing more.

One timer for all of them, because a timer for each request costs more than reading a small body.
"""

import asyncio
import time
from collections.abc import Awaitable
from typing import Any, TypeVar

from shoal_serving.http.asgi import Message, Receive, Send

T = TypeVar("T")


class StallWatch:
    """Receives and sends messages, and waits at most about `seconds` for each.

    Lives on one event loop.
    """

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._waiting: dict[asyncio.Task[Any], float] = {}
        self._timer: asyncio.TimerHandle | None = None

    async def receive(self, receive: Receive) -> Message:
        """The next message.

        Raises:
            TimeoutError: nothing came.
        """
        return await self._in_time(receive())

    async def send(self, send: Send, message: Message) -> None:
        """Send a message, which waits while the client has not taken what was sent before.

        Raises:
            TimeoutError: it took nothing.
        """
        await self._in_time(send(message))

    async def _in_time(self, awaited: Awaitable[T]) -> T:
        task = asyncio.current_task()
        assert task is not None
        self._waiting[task] = time.monotonic()
        if self._timer is None:
            self._arm()
        try:
            return await awaited
        except asyncio.CancelledError:
            if task in self._waiting:
                raise
            task.uncancel()
            raise TimeoutError from None
        finally:
            self._waiting.pop(task, None)

    def _arm(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(self.seconds / 4, self._sweep)

    def _sweep(self) -> None:
        """Cancel who has waited for too long; being no longer in the list tells them why."""
        self._timer = None
        longest_ago = time.monotonic() - self.seconds
        for task, since in list(self._waiting.items()):
            if since <= longest_ago:
                del self._waiting[task]
                task.cancel()
        if self._waiting:
            self._arm()
