"""The work queue. Time passes only when nothing is left to do."""

import asyncio
import itertools
from collections.abc import Callable

import pytest

from shoal.cluster import Key
from shoal.controllers.work import BACK_OFF_FIRST_S, BACK_OFF_MOST_S, PACE_S, WorkQueue

A, B = Key("Model", "ops", "a"), Key("Model", "ops", "b")


def clock() -> float:
    return asyncio.get_running_loop().time()


@pytest.fixture
def on_queue(passing) -> Callable[..., None]:
    """Run a story on a queue."""

    def run(story):
        async def told() -> None:
            await story(WorkQueue())

        passing(told())

    return run


async def nothing_more(queue: WorkQueue, seconds: float = 0.01) -> bool:
    try:
        async with asyncio.timeout(seconds):
            await queue.get()
    except TimeoutError:
        return True
    return False


def test_a_key_waits_once_however_often_it_is_added(on_queue):
    async def story(queue):
        for key in (A, B, A, A):
            queue.add(key)
        assert [await queue.get(), await queue.get()] == [A, B]
        assert await nothing_more(queue)

    on_queue(story)


def test_a_key_is_worked_on_by_one_worker_and_then_once_more(on_queue):
    async def story(queue):
        queue.add(A)
        await queue.get()
        queue.add(A)
        queue.add(A)
        assert await nothing_more(queue)
        queue.done(A)
        assert await queue.get() == A
        queue.done(A)
        assert await nothing_more(queue)

    on_queue(story)


def test_a_failed_key_comes_back_later_and_later_up_to_a_minute(on_queue):
    async def story(queue):
        queue.add(A)
        waits = []
        for _ in range(2000):
            await queue.get()
            waits.append(queue.failed(A))
        most = [min(BACK_OFF_MOST_S, BACK_OFF_FIRST_S * 2.0**n) for n in range(20)]
        assert all(m / 2 <= wait <= m for wait, m in zip(waits, most, strict=False))
        assert max(waits) <= BACK_OFF_MOST_S

    on_queue(story)


def test_a_failed_key_waits_as_long_as_it_was_told(on_queue):
    async def story(queue):
        queue.add(A)
        await queue.get()
        wait = queue.failed(A)
        assert await queue.get() == A
        assert clock() == pytest.approx(wait)

    on_queue(story)


def test_success_begins_the_waiting_afresh(on_queue):
    async def story(queue):
        queue.add(A)
        for _ in range(6):
            await queue.get()
            queue.failed(A)
        await queue.get()
        queue.done(A)
        queue.add(A)
        await queue.get()
        assert queue.failed(A) <= BACK_OFF_FIRST_S

    on_queue(story)


def test_a_failed_key_that_was_added_meanwhile_does_not_wait(on_queue):
    async def story(queue):
        queue.add(A)
        await queue.get()
        queue.add(A)
        queue.failed(A)
        assert await queue.get() == A
        assert clock() == 0

    on_queue(story)


@pytest.mark.parametrize("order", [(5, 2, 9), (2, 5, 9), (9, 5, 2)])
def test_of_several_times_the_earliest_counts(on_queue, order):
    async def story(queue):
        for seconds in order:
            queue.add_after(A, seconds)
        assert await queue.get() == A
        assert clock() == pytest.approx(2)
        queue.done(A)
        assert await nothing_more(queue, 60)

    on_queue(story)


def test_a_key_that_is_due_while_it_is_worked_on_comes_afterwards(on_queue):
    async def story(queue):
        queue.add(A)
        await queue.get()
        queue.add_after(A, 1)
        await asyncio.sleep(2)
        queue.done(A)
        assert await queue.get() == A

    on_queue(story)


def test_keys_come_in_the_order_in_which_they_were_added(on_queue):
    async def story(queue):
        keys = [Key("Model", "ops", str(number)) for number in range(50)]
        for key in keys:
            queue.add(key)
        assert [await queue.get() for _ in keys] == keys

    on_queue(story)


def test_a_fleet_does_not_wait_for_the_many_models_that_came_before_it(on_queue):
    async def story(queue):
        models = [Key("Model", "ops", str(number)) for number in range(50)]
        fleets = [Key("Fleet", "", str(number)) for number in range(3)]
        for key in (*models, *fleets):
            queue.add(key)
        order = [await queue.get() for _ in range(8)]
        assert [key.kind for key in order[:6]] == ["Model", "Fleet"] * 3
        assert [key for key in order if key.kind == "Fleet"] == fleets
        assert [key for key in order if key.kind == "Model"] == models[:5]

    on_queue(story)


def test_for_what_happens_around_it_a_key_is_worked_on_twice_a_second_at_most(on_queue):
    async def story(queue):
        queue.add(A)
        times = []
        while clock() < 10:
            await queue.get()
            times.append(clock())
            queue.done(A)
            for _ in range(3):
                queue.add_paced(A, 0.05)
        gaps = [after - before for before, after in itertools.pairwise(times)]
        assert all(gap == pytest.approx(PACE_S) for gap in gaps)

    on_queue(story)


def test_a_change_of_its_own_does_not_wait_for_that(on_queue):
    async def story(queue):
        queue.add(A)
        await queue.get()
        queue.done(A)
        queue.add_paced(A, 0.05)
        queue.add(A)
        assert await queue.get() == A
        assert clock() == 0

    on_queue(story)


def test_a_closed_queue_hands_out_nothing_more(on_queue):
    async def story(queue):
        waiting = [asyncio.create_task(queue.get()) for _ in range(3)]
        await asyncio.sleep(1)
        queue.close()
        queue.add(A)
        assert await asyncio.gather(*waiting) == [None, None, None]
        assert await queue.get() is None

    on_queue(story)


def test_it_knows_how_many_keys_wait_and_since_when(on_queue):
    async def story(queue):
        queue.add(A)
        await asyncio.sleep(3)
        queue.add(B)
        assert (queue.depth, queue.oldest_s, queue.longest_s) == (2, 3, 0)
        await queue.get()
        await asyncio.sleep(2)
        assert (queue.depth, queue.oldest_s, queue.longest_s) == (1, 2, 2)
        queue.done(A)
        assert queue.longest_s == 0

    on_queue(story)
