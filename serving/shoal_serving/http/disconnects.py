"""Stops the work for clients that went away, at no cost to requests that are quick.

Ray Serve's own watcher makes a task and a queue for every request, which costs a small model a
fifth of its throughput. Only requests that have lasted for a while are watched here, and streams,
which last anyway.
"""

import asyncio
import contextlib
from collections.abc import Iterator
from typing import Any

from shoal.errors import ClientGone
from shoal_serving.http.asgi import Receive

WATCH_FROM_S = 0.05


class DisconnectWatch:
    """Cancels what a request waits for once its client is gone. Lives on one event loop."""

    def __init__(self) -> None:
        self._requests: dict[asyncio.Task[Any], Receive] = {}
        self._old: set[asyncio.Task[Any]] = set()
        self._watchers: dict[asyncio.Task[Any], asyncio.Task[None]] = {}
        self._timer: asyncio.TimerHandle | None = None

    @contextlib.contextmanager
    def watching(self, receive: Receive, at_once: bool = False) -> Iterator[None]:
        """Watch the client while the work inside goes on; its whole body must have been received.

        `at_once` watches from now on, at the price of a task.

        Raises:
            ClientGone: the client went away, and the work was cancelled.
        """
        task = asyncio.current_task()
        assert task is not None
        if at_once:
            self._watch(task, receive)
        else:
            self._enter(task, receive)
        try:
            yield
        except asyncio.CancelledError:
            watcher = self._watchers.get(task)
            if watcher is None or not watcher.done():
                raise
            task.uncancel()
            raise ClientGone("the client went away before its turn came") from None
        finally:
            self._leave(task)

    def _enter(self, task: asyncio.Task[Any], receive: Receive) -> None:
        self._requests[task] = receive
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(WATCH_FROM_S, self._sweep)

    def _watch(self, task: asyncio.Task[Any], receive: Receive) -> None:
        self._watchers[task] = asyncio.create_task(_cancel_when_gone(task, receive))

    def _leave(self, task: asyncio.Task[Any]) -> None:
        self._requests.pop(task, None)
        watcher = self._watchers.pop(task, None)
        if watcher is not None:
            watcher.cancel()

    def _sweep(self) -> None:
        """Watch whatever was here at the last sweep already."""
        for task, receive in self._requests.items():
            if task in self._old and task not in self._watchers:
                self._watch(task, receive)
        self._old = set(self._requests)
        self._timer = None
        if self._requests:
            self._timer = asyncio.get_running_loop().call_later(WATCH_FROM_S, self._sweep)


async def _cancel_when_gone(task: asyncio.Task[Any], receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
    task.cancel()
