"""How requests become batches: what runs together, when, where, and what is left behind."""

import asyncio
import random
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import uvloop

from shoal.errors import DeadlineExceeded, Overloaded
from shoal_serving.batching import Batcher
from shoal_serving.tasks import Feed

PATIENCE_S = 30
NEVER, LONG_AGO = float("inf"), 0.0


class Runner:
    """Doubles feeds and notes the batches, as lists of their feeds' values; 13 is poison."""

    def __init__(self):
        self.batches, self.keys, self.threads = [], [], []
        self.free, self.entered = threading.Event(), threading.Event()
        self.free.set()

    def __call__(self, feeds):
        self.batches.append([feed.tensors["x"].tolist() for feed in feeds])
        self.keys.append({feed.key for feed in feeds})
        self.threads.append(threading.current_thread())
        self.entered.set()
        assert self.free.wait(PATIENCE_S)
        if any((feed.tensors["x"] == 13).any() for feed in feeds):
            raise ValueError("13 is poison")
        return [{"y": feed.tensors["x"] * 2} for feed in feeds]

    async def held(self):
        """Wait until a run stands still."""
        assert await asyncio.to_thread(self.entered.wait, PATIENCE_S)


def feed(*values, key="key"):
    return Feed({"x": np.array(values, float)}, len(values), key)


async def values(futures):
    return [(await future)["y"].tolist() for future in futures]


@pytest.fixture
def runner():
    runner = Runner()
    yield runner
    runner.free.set()


@pytest.fixture
def executor():
    with ThreadPoolExecutor(1) as executor:
        yield executor


@pytest.fixture
def batcher(runner, executor):
    return Batcher(runner, executor, max_rows=4, max_queue=100)


@pytest.fixture
async def busy(runner, batcher):
    """A batcher whose backend runs a feed of 0 until `runner.free` is set."""
    runner.free.clear()
    (first,) = batcher.submit([feed(0)], NEVER)
    await runner.held()
    yield batcher
    runner.free.set()
    await first


async def test_a_feed_runs_at_once_while_the_backend_is_idle(batcher, runner):
    assert await values(batcher.submit([feed(1, 2)], NEVER)) == [[2, 4]]
    assert runner.batches == [[[1, 2]]]


async def test_requests_of_one_turn_of_the_event_loop_run_together(batcher, runner):
    futures = batcher.submit([feed(1)], NEVER) + batcher.submit([feed(2)], NEVER)

    assert await values(futures) == [[2], [4]]
    assert runner.batches == [[[1], [2]]]


async def test_feeds_gather_while_the_backend_is_busy(busy, runner):
    futures = [future for i in (1, 2, 3) for future in busy.submit([feed(i)], NEVER)]
    assert busy.queued == 3

    runner.free.set()

    assert await values(futures) == [[2], [4], [6]]
    assert runner.batches[1:] == [[[1], [2], [3]]]


async def test_a_batch_has_at_most_max_rows(busy, runner):
    futures = busy.submit([feed(i, i) for i in range(5)], NEVER)
    runner.free.set()
    await values(futures)
    assert [len(batch) for batch in runner.batches[1:]] == [2, 2, 1]


async def test_a_feed_larger_than_a_batch_runs_alone(busy, runner):
    futures = busy.submit([feed(1), feed(2, 2, 2, 2, 2), feed(3)], NEVER)
    runner.free.set()
    await values(futures)
    assert runner.batches[1:] == [[[1]], [[2, 2, 2, 2, 2]], [[3]]]


async def test_where_a_batch_is_one_row_even_feeds_without_rows_run_alone(busy, runner):
    busy.max_rows = 1
    futures = busy.submit([feed(), feed(), feed(1), feed()], NEVER)
    runner.free.set()
    assert await values(futures) == [[], [], [2], []]
    assert runner.batches[1:] == [[[]], [[]], [[1]], [[]]]


async def test_only_feeds_of_one_key_share_a_batch(busy, runner):
    futures = busy.submit([feed(1, key="a"), feed(2, key="b"), feed(3, key="a")], NEVER)
    runner.free.set()
    await values(futures)
    assert runner.batches[1:] == [[[1], [3]], [[2]]]


async def test_keys_take_turns(busy, runner):
    old = busy.submit([feed(i, key="old") for i in range(6)], NEVER)
    new = busy.submit([feed(9, key="new")], NEVER)
    runner.free.set()
    await values(old + new)
    assert runner.batches[1:] == [[[0], [1], [2], [3]], [[9]], [[4], [5]]]


@pytest.mark.parametrize(
    ("seconds", "sizes"),
    [
        ({4: 8.0, 2: 4.0, 1: 2.0}, [1, 1, 1, 1]),  # twice the rows, twice the time
        ({4: 8.0, 2: 4.0, 1: 3.0}, [2, 2]),
        ({4: 8.0, 2: 7.0, 1: 6.0}, [4]),  # hardly longer than one
        ({4: 0.08, 2: 0.04, 1: 0.02}, [4]),  # nobody waits long
        ({4: 8.0}, [2, 2]),  # half is tried, and turns out to be quick
        ({}, [4]),
    ],
)
async def test_a_batch_that_takes_long_must_be_worth_its_size(busy, runner, seconds, sizes):
    for rows, took in seconds.items():
        busy.learn("long", rows, took)
    futures = busy.submit([feed(i, key="long") for i in range(4)], NEVER)
    runner.free.set()
    await values(futures)
    assert [len(batch) for batch in runner.batches[1:]] == sizes


async def test_a_full_queue_refuses_the_next_request(busy):
    busy.max_queue = 2
    waiting = busy.submit([feed(1), feed(2)], NEVER)
    with pytest.raises(Overloaded, match="2 inputs wait"):
        busy.submit([feed(3)], NEVER)
    assert not any(future.done() for future in waiting)


async def test_a_request_is_taken_whole_or_not_at_all(busy, runner):
    busy.max_queue = 2
    futures = busy.submit([feed(1)], NEVER) + busy.submit([feed(i) for i in range(3)], NEVER)
    runner.free.set()
    assert len(await values(futures)) == 4


async def test_a_feed_whose_deadline_passed_is_not_run(busy, runner):
    (late,) = busy.submit([feed(1)], LONG_AGO)
    (next_,) = busy.submit([feed(2)], NEVER)
    runner.free.set()
    with pytest.raises(DeadlineExceeded, match="was not run"):
        await late
    await next_
    assert runner.batches[1:] == [[[2]]]


async def test_a_deadline_is_answered_while_a_long_batch_runs(busy, runner):
    (late,) = busy.submit([feed(1)], time.monotonic() + 0.01)
    with pytest.raises(DeadlineExceeded):
        await late
    assert not runner.free.is_set()
    assert busy.queued == 0


async def test_a_cancelled_feed_is_not_run(busy, runner):
    gone, stays = busy.submit([feed(1), feed(2)], NEVER)
    gone.cancel()
    runner.free.set()
    await stays
    assert runner.batches[1:] == [[[2]]]


async def test_a_feed_that_is_cancelled_while_it_runs_harms_nobody(busy, runner):
    runner.entered.clear()
    gone, stays = busy.submit([feed(1), feed(2)], NEVER)
    busy.observe = lambda rows, waited, ran: gone.cancel()
    runner.free.set()
    assert (await stays)["y"].tolist() == [4]


async def test_a_poisonous_feed_fails_alone(busy, runner):
    busy.max_rows = 100
    futures = busy.submit([feed(i) for i in range(9, 17)], NEVER)
    runner.free.set()
    outcomes = await asyncio.gather(*futures, return_exceptions=True)
    poisonous = outcomes.pop(4)
    assert isinstance(poisonous, ValueError)
    assert [outcome["y"].item() for outcome in outcomes] == [18, 20, 22, 24, 28, 30, 32]


async def test_where_every_feed_is_poisonous_every_feed_learns_it(busy, runner):
    futures = busy.submit([feed(13), feed(13), feed(13)], NEVER)
    runner.free.set()
    outcomes = await asyncio.gather(*futures, return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [ValueError] * 3
    assert len({id(outcome) for outcome in outcomes}) == 3


async def test_a_batch_of_unknown_cost_runs_in_a_thread(batcher, runner):
    await values(batcher.submit([feed(1)], NEVER))
    assert runner.threads[0] is not threading.current_thread()


async def test_a_quick_batch_runs_on_the_event_loop(batcher, runner):
    batcher.learn("key", 1, 0.0001)
    await values(batcher.submit([feed(1)], NEVER))
    assert runner.threads == [threading.current_thread()]


async def test_a_slow_batch_runs_in_a_thread(batcher, runner):
    batcher.learn("key", 1, 0.0001)
    batcher.learn("key", 3, 0.1)
    await values(batcher.submit([feed(1, 2, 3)], NEVER))
    await values(batcher.submit([feed(1)], NEVER))
    assert [thread is threading.current_thread() for thread in runner.threads] == [False, True]


async def test_what_turns_out_quick_moves_to_the_event_loop(batcher, runner):
    while threading.current_thread() not in runner.threads:
        await values(batcher.submit([feed(1)], NEVER))
    assert runner.threads[0] is not threading.current_thread()


async def test_nothing_is_left_when_everything_is_answered(batcher):
    await values(batcher.submit([feed(1), feed(2, key="other")], NEVER))
    await asyncio.sleep(0)
    assert batcher.idle
    assert batcher.queued == 0


async def test_a_batch_is_observed_with_its_rows_its_feeds_waits_and_its_time(busy, runner):
    seen = []
    busy.observe = lambda *numbers: seen.append(numbers)
    futures = busy.submit([feed(1), feed(2, 3)], NEVER)
    runner.free.set()
    await values(futures)
    assert [(rows, len(waits)) for rows, waits, _ in seen] == [(1, 1), (3, 2)]
    assert all(min(waits) > 0 and ran > 0 for _, waits, ran in seen)


@pytest.mark.parametrize("new_loop", [asyncio.new_event_loop, uvloop.new_event_loop])
def test_quick_batches_are_timed_in_microseconds(executor, new_loop):
    def spin(feeds):
        end = time.perf_counter() + 0.0002
        while time.perf_counter() < end:
            pass
        return [{"y": feed.tensors["x"]} for feed in feeds]

    async def ask():
        batcher, times = Batcher(spin, executor, max_rows=4, max_queue=4), []
        batcher.observe = lambda rows, waited, ran: times.append(ran)
        for _ in range(20):
            await values(batcher.submit([feed(1)], NEVER))
        return times

    with asyncio.Runner(loop_factory=new_loop) as event_loop:
        assert min(event_loop.run(ask())) >= 0.0002


@pytest.mark.parametrize("seed", range(2))
async def test_every_request_gets_exactly_its_own_rows(runner, executor, seed):
    """2,500 random events: requests of every size, kind and fate, some gone before they ran."""
    chance = random.Random(seed)
    batcher = Batcher(runner, executor, max_rows=8, max_queue=10_000)
    batcher.learn("quick", 8, 0.0)
    asked = []
    for event in range(2500):
        asked.append(Asked(batcher, chance, first=20 * (event + 1)))
        if chance.random() < 0.1:
            chance.choice(asked).cancel(chance)
        if chance.random() < 0.3:
            await asyncio.sleep(0)
    for request in asked:
        await request.check()
    await asyncio.sleep(0)
    assert batcher.idle
    assert all(len(keys) == 1 for keys in runner.keys)
    assert all(sum(map(len, batch)) <= 8 for batch in runner.batches)


class Asked:
    """One random request, and what is to come of it. Its values are nobody else's."""

    def __init__(self, batcher, chance, first):
        self.late = chance.random() < 0.05
        self.feeds = [self._feed(chance, first + 5 * i) for i in range(chance.randint(1, 3))]
        deadline = LONG_AGO if self.late else NEVER
        self.futures = batcher.submit(self.feeds, deadline)

    def _feed(self, chance, first):
        numbers = range(first, first + chance.randint(0, 4))
        poison = [13] if chance.random() < 0.02 else []
        return feed(*poison, *numbers, key=chance.choice(["quick", "slow", "third"]))

    def cancel(self, chance):
        chance.choice(self.futures).cancel()

    async def check(self):
        for own, future in zip(self.feeds, self.futures, strict=True):
            await self._check(own.tensors["x"].tolist(), future)

    async def _check(self, own, future):
        if future.cancelled():
            return
        if self.late or 13 in own:
            expected = DeadlineExceeded if self.late else ValueError
            with pytest.raises(expected):
                await future
            return
        assert (await future)["y"].tolist() == [2 * value for value in own]
