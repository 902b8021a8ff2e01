"""The thread that owns an engine: it steps for as long as there is something to do, and does what
it is told between two steps.
"""

import logging
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

# A child of Ray Serve's logger, so that the lines land in the replica's own log.
logger = logging.getLogger("ray.serve.shoal.engine")

T = TypeVar("T")


class Worker:
    """`step` and `busy` are called by the thread only, everything here by any other."""

    def __init__(self, name: str, step: Callable[[], None], busy: Callable[[], bool]) -> None:
        self._step = step
        self._busy = busy
        self._inbox: list[Callable[[], None]] = []
        self._wake = threading.Condition()
        self._closing = False
        self._thread = threading.Thread(target=self._work, name=name, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def tell(self, command: Callable[[], None]) -> bool:
        """Have `command` done before the next step; False if the thread was told to end."""
        with self._wake:
            if self._closing:
                return False
            self._inbox.append(command)
            self._wake.notify()
            return True

    def ask(self, work: Callable[[], T]) -> "Future[T]":
        """Have `work` done between two steps, and what comes of it. Where the thread was told to
        end it is done here: nobody else is there any more.
        """
        future: Future[T] = Future()

        def do() -> None:
            try:
                future.set_result(work())
            except Exception as error:
                future.set_exception(error)

        if not self.tell(do):
            do()
        return future

    def close(self) -> None:
        """End the thread, after the commands that it was told."""
        with self._wake:
            self._closing = True
            self._wake.notify()
        self._thread.join()

    def _work(self) -> None:
        while self._hear():
            self._survive(self._step)

    def _hear(self) -> bool:
        """Wait until there is something to do, and do what was told; False at the end."""
        with self._wake:
            while not (self._inbox or self._closing or self._busy()):
                self._wake.wait()
            commands, self._inbox = self._inbox, []
        for command in commands:
            self._survive(command)
        return not self._closing

    def _survive(self, work: Callable[[], None]) -> None:
        """What fails unexpectedly must not end the thread, which others rely on."""
        try:
            work()
        except Exception:
            logger.exception("the engine's thread failed at something unexpectedly")
