"""How requests become a batch: no timer, no idle wait.

While the backend is idle a feed runs at once; while it is busy feeds gather, and the next run takes
up to `max_rows` rows of one key, oldest first. Keys take turns, and a batch that takes long but
wins nothing by its size is made smaller: what is short need not wait for all that is long. Batches
that are known to be quick run on the event loop itself, because handing them to a thread costs more
than they do; the others run in a thread.

A batcher knows feeds, rows, keys and deadlines. It never knows HTTP, text or what a row means.
Times are those of `time.monotonic`: uvloop's own clock counts whole milliseconds, which is too
coarse to tell a quick batch from a slow one.
"""

import asyncio
import math
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Hashable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass

from shoal.errors import DeadlineExceeded, Overloaded
from shoal_serving.tasks import Feed
from shoal_serving.tensors import Tensors

INLINE_S = 0.001
SWEEP_S = 0.05
# A batch that takes longer makes others wait, so its size must be worth it: a row of it must cost
# less than this part of what it costs in any smaller batch.
LONG_S, WORTH_IT = 0.1, 0.8
COSTS_REMEMBERED = 1024

Run = Callable[[Sequence[Feed]], list[Tensors]]
Observe = Callable[[int, Sequence[float], float], None]


@dataclass(slots=True)
class _Waiting:
    feed: Feed
    future: asyncio.Future[Tensors]
    deadline: float
    since: float


class _Costs:
    """What batches cost, in seconds, by key and size (to the next power of two)."""

    def __init__(self) -> None:
        self._seconds: OrderedDict[tuple[Hashable, int], float] = OrderedDict()

    def foretell(self, key: Hashable, rows: int) -> float:
        """A batch of a size never seen may take for ever."""
        return self._seconds.get((key, _size(rows)), math.inf)

    def worthwhile(self, key: Hashable, most: int) -> int:
        """How many rows to run together: fewer than `most` where more only take longer."""
        size = _size(most)
        while size and self._wasteful(key, size):
            size -= 1
        return min(most, 1 << size)

    def _wasteful(self, key: Hashable, size: int) -> bool:
        seconds = self._seconds.get((key, size), 0.0)
        if seconds <= LONG_S:
            return False
        smaller = [self._seconds.get((key, less), math.inf) for less in range(size)]
        if smaller[-1] == math.inf:  # half has never been tried, so it is tried next
            return True
        least = min(took / (1 << less) for less, took in enumerate(smaller))
        return seconds / (1 << size) > WORTH_IT * least

    def learn(self, key: Hashable, rows: int, seconds: float) -> None:
        kind = (key, _size(rows))
        before = self._seconds.get(kind, seconds)
        # Up at once and down slowly: a batch that only seemed quick holds up the whole event loop.
        self._seconds[kind] = max(seconds, 0.95 * before + 0.05 * seconds)
        self._seconds.move_to_end(kind)
        if len(self._seconds) > COSTS_REMEMBERED:
            self._seconds.popitem(last=False)


def _size(rows: int) -> int:
    return (rows - 1).bit_length() if rows > 0 else 0


class Batcher:
    """One model's queue. Lives on one event loop; `run` is called by one thread at a time."""

    def __init__(self, run: Run, executor: Executor, max_rows: int, max_queue: int) -> None:
        """`run` computes one batch of feeds of one key and returns each feed's own outputs."""
        self._run = run
        self._executor = executor
        self.max_rows = max_rows
        self.max_queue = max_queue
        self.observe: Observe = _observe_nothing
        self._queues: OrderedDict[Hashable, deque[_Waiting]] = OrderedDict()
        self._queued = 0
        self._busy = False
        self._sweeping = False
        self._costs = _Costs()

    @property
    def queued(self) -> int:
        """Feeds that wait."""
        return self._queued

    @property
    def idle(self) -> bool:
        """Nothing runs and nothing waits."""
        return not self._busy and not self._queued

    def learn(self, key: Hashable, rows: int, seconds: float) -> None:
        """Take over what a warm-up run cost."""
        self._costs.learn(key, rows, seconds)

    def submit(
        self, feeds: Sequence[Feed], deadline: float, begun: bool = False
    ) -> list[asyncio.Future[Tensors]]:
        """Queue feeds of one request, to be started before `deadline` (`time.monotonic`).

        Of a request that has `begun` the rest is taken in any case. Cancel a future to take its
        feed out again.

        Raises:
            Overloaded: the queue is full. Feeds are taken all together or not at all.
        """
        if self._queued >= self.max_queue and not begun:
            raise Overloaded(f"the queue is full: {self._queued} inputs wait; try again later")
        loop = asyncio.get_running_loop()
        now = time.monotonic()
        futures = [self._append(feed, loop, deadline, now) for feed in feeds]
        if not self._busy:
            self._busy = True
            # Not at once: requests that were read in the same turn of the loop run together.
            loop.call_soon(self._next)
        return futures

    def _append(
        self, feed: Feed, loop: asyncio.AbstractEventLoop, deadline: float, now: float
    ) -> asyncio.Future[Tensors]:
        future: asyncio.Future[Tensors] = loop.create_future()
        queue = self._queues.get(feed.key)
        if queue is None:
            queue = self._queues[feed.key] = deque()
        queue.append(_Waiting(feed, future, deadline, now))
        self._queued += 1
        return future

    def _next(self) -> None:
        loop = asyncio.get_running_loop()
        batch = self._take(time.monotonic())
        if not batch:
            self._busy = False
            return
        rows = sum(waiting.feed.rows for waiting in batch)
        if self._costs.foretell(batch[0].feed.key, rows) <= INLINE_S:
            self._finish(batch, rows, *self._timed(batch))
            loop.call_soon(self._next)
            return
        self._watch_deadlines(loop)
        running = loop.run_in_executor(self._executor, self._timed, batch)
        running.add_done_callback(lambda done: self._finish_and_continue(batch, rows, done))

    def _take(self, now: float) -> list[_Waiting]:
        """The next batch: feeds of the key that has waited longest for its turn."""
        while self._queues:
            key, queue = next(iter(self._queues.items()))
            batch = self._take_from(queue, self._costs.worthwhile(key, self.max_rows), now)
            if queue:
                self._queues.move_to_end(key)
            else:
                del self._queues[key]
            if batch:
                return batch
        return []

    def _take_from(self, queue: deque[_Waiting], most: int, now: float) -> list[_Waiting]:
        batch: list[_Waiting] = []
        rows = 0
        while queue and (not batch or rows + _room(queue[0].feed) <= most):
            waiting = queue.popleft()
            self._queued -= 1
            if _still_wanted(waiting, now):
                batch.append(waiting)
                rows += _room(waiting.feed)
        return batch

    def _timed(self, batch: list[_Waiting]) -> tuple[list[Tensors | BaseException], float, float]:
        began = time.monotonic()
        outcomes = run_apart(self._run, [waiting.feed for waiting in batch])
        return outcomes, began, time.monotonic()

    def _finish_and_continue(
        self,
        batch: list[_Waiting],
        rows: int,
        done: asyncio.Future[tuple[list[Tensors | BaseException], float, float]],
    ) -> None:
        self._finish(batch, rows, *done.result())
        self._next()

    def _finish(
        self,
        batch: list[_Waiting],
        rows: int,
        outcomes: list[Tensors | BaseException],
        began: float,
        ended: float,
    ) -> None:
        self._costs.learn(batch[0].feed.key, rows, ended - began)
        self.observe(rows, [began - waiting.since for waiting in batch], ended - began)
        for waiting, outcome in zip(batch, outcomes, strict=True):
            _resolve(waiting.future, outcome)

    def _watch_deadlines(self, loop: asyncio.AbstractEventLoop) -> None:
        if not self._sweeping:
            self._sweeping = True
            loop.call_later(SWEEP_S, self._sweep)

    def _sweep(self) -> None:
        """Answer those whose deadline passed, and forget those who left, during a long run."""
        loop = asyncio.get_running_loop()
        now = time.monotonic()
        for key, queue in list(self._queues.items()):
            kept = deque(waiting for waiting in queue if _still_wanted(waiting, now))
            self._queued -= len(queue) - len(kept)
            if kept:
                self._queues[key] = kept
            else:
                del self._queues[key]
        self._sweeping = bool(self._busy)
        if self._sweeping:
            loop.call_later(SWEEP_S, self._sweep)


def run_apart(run: Run, feeds: Sequence[Feed]) -> list[Tensors | BaseException]:
    """Run feeds together; where that fails, in halves, until what is poisonous fails alone."""
    try:
        return list(run(feeds))
    except Exception as error:
        if len(feeds) == 1:
            return [error]
    half = len(feeds) // 2
    return run_apart(run, feeds[:half]) + run_apart(run, feeds[half:])


def _room(feed: Feed) -> int:
    """What a feed takes up of a batch: one row at least, or feeds of no rows never ran alone."""
    return feed.rows or 1


def _still_wanted(waiting: _Waiting, now: float) -> bool:
    if waiting.future.done():
        return False
    if waiting.deadline > now:
        return True
    waited = now - waiting.since
    message = f"the request waited {waited:.3f} s for its turn, and was not run"
    waiting.future.set_exception(DeadlineExceeded(message))
    return False


def _resolve(future: asyncio.Future[Tensors], outcome: Tensors | BaseException) -> None:
    if future.done():
        return
    if isinstance(outcome, BaseException):
        future.set_exception(outcome)
    else:
        future.set_result(outcome)


def _observe_nothing(rows: int, waits: Sequence[float], ran: float) -> None:
    """Before metrics are attached, and in tests."""
