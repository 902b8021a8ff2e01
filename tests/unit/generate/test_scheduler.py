"""Who gets a row, and what a step runs; a runner without a model notes what each row holds."""

import random

import pytest

from shoal_serving.generate.scheduler import Run, Scheduler
from shoal_serving.generate.sequence import Sequence

CAPACITY = 64


class Rows:
    """A runner without a model: for every row, how many tokens of which sequence it holds."""

    def __init__(self, rows):
        self.held = [(None, 0)] * rows

    def run(self, scheduler, run):
        """Compute, and give the sequences of which every token is computed."""
        ready = []
        for row, count in enumerate(run.counts, run.first):
            sequence = scheduler.running[row]
            assert sequence.row == row
            assert sequence.computed + run.width <= CAPACITY, "its padding is over its room"
            if count:
                number, held = self.held[row] if sequence.computed else (sequence.number, 0)
                assert (number, held) == (sequence.number, sequence.computed), "lost its tokens"
                self.held[row] = (number, held + count)
                sequence.computed += count
                if not sequence.pending:
                    ready.append(sequence)
        return ready

    def move(self, moved):
        if moved is not None:
            sequence, left = moved
            if sequence.computed:
                self.held[sequence.row] = self.held[left]


def sequence(number, prompt=3, limit=CAPACITY, priority=0, most=None):
    return Sequence(number, range(prompt), limit, priority, most)


def scheduled(rows, *sequences, ragged=True):
    scheduler = Scheduler(rows, ragged)
    for one in sequences:
        scheduler.add(one)
    scheduler.admit()
    return scheduler


def decoding(number, **options):
    one = sequence(number, **options)
    one.computed = len(one.tokens) - 1
    return one


def test_rows_go_to_those_who_came_first():
    scheduler = scheduled(2, sequence(0), sequence(1), sequence(2))
    assert [s.number for s in scheduler.running] == [0, 1]
    assert [s.number for s in scheduler.waiting] == [2]


def test_a_smaller_priority_goes_first():
    scheduler = scheduled(2, sequence(0), sequence(1, priority=-1), sequence(2, priority=5))
    assert [s.number for s in scheduler.running] == [1, 0]


def test_the_last_row_moves_into_the_hole_of_one_that_leaves():
    first, second, third = (sequence(number) for number in range(3))
    scheduler = scheduled(3, first, second, third)
    assert scheduler.remove(first) == (third, 2)
    assert [s.number for s in scheduler.running] == [2, 1]
    assert (first.row, third.row) == (None, 0)


def test_one_that_waits_can_leave():
    waiting = sequence(1)
    scheduler = scheduled(1, sequence(0), waiting)
    assert scheduler.remove(waiting) is None
    assert not list(scheduler.waiting)


def test_what_decodes_runs_together_and_those_between_idle():
    middle = sequence(1, prompt=40)
    scheduler = scheduled(3, decoding(0), middle, decoding(2))
    assert scheduler.plan(16) == [Run(1, (16,)), Run(0, (1, 0, 1))]


def test_a_long_prompt_is_computed_in_parts_of_the_budget():
    long, parts = sequence(0, prompt=50), []
    scheduler = scheduled(1, long)
    while long.pending > 1:
        (run,) = scheduler.plan(20)
        parts.append(run.counts)
        long.computed += run.counts[0]
    assert parts == [(20,), (20,), (10,)]


def test_prompts_of_like_length_run_together():
    scheduler = scheduled(3, *(sequence(n, prompt=p) for n, p in enumerate((20, 24, 22))))
    assert scheduler.plan(512) == [Run(0, (20, 24, 22))]


def test_a_short_prompt_is_not_padded_to_a_long_one():
    scheduler = scheduled(2, sequence(0, prompt=4), sequence(1, prompt=60))
    assert scheduler.plan(512) == [Run(0, (4,)), Run(1, (60,))]


def test_a_run_is_no_wider_than_what_is_left_of_each_row():
    almost, other = sequence(0, prompt=60), sequence(1, prompt=60)
    almost.computed = 40
    scheduler = scheduled(2, almost, other)
    assert scheduler.plan(512) == [Run(0, (20, 24))]


def test_nobody_is_slowed_down_by_running_with_others():
    scheduler = scheduled(2, sequence(0, prompt=30), sequence(1, prompt=30))
    assert scheduler.plan(40) == [Run(0, (30,)), Run(1, (10,))]


def test_a_graph_that_takes_one_chunk_at_a_time_gets_one():
    scheduler = scheduled(2, sequence(0, prompt=20), sequence(1, prompt=20), ragged=False)
    assert scheduler.plan(512) == [Run(0, (20,)), Run(1, (20,))]


def test_a_sequence_may_limit_its_own_chunks():
    scheduler = scheduled(1, sequence(0, prompt=20, most=8))
    assert scheduler.plan(512) == [Run(0, (8,))]


def test_without_a_budget_a_prompt_still_comes_on():
    scheduler = scheduled(2, decoding(0), sequence(1, prompt=20))
    assert scheduler.plan(0) == [Run(1, (1,)), Run(0, (1,))]


@pytest.mark.parametrize("ragged", [True, False])
@pytest.mark.parametrize("seed", range(5))
def test_ten_thousand_random_events_lose_and_starve_nobody(seed, ragged):
    """Arrivals, aborts and steps: rows stay dense and hold what they should, and all come to an end
    within the steps that those before them and they themselves need.
    """
    chance, scheduler = random.Random(seed), Scheduler(8, ragged)
    rows, here, number = Rows(8), {}, 0
    for _ in range(10_000):
        event = chance.random()
        if event < 0.15:
            prompt = chance.choice((1, 2, 7, 30, CAPACITY - 1))
            one = sequence(
                number, prompt, chance.randint(prompt + 1, CAPACITY), chance.choice((0, 1))
            )
            one.most = chance.choice((None, 5))
            scheduler.add(one)
            here[number], number = one, number + 1
        elif event < 0.3 and here:
            leave(scheduler, rows, here, here[chance.choice(list(here))])
        else:
            step(scheduler, rows, here, chance.choice((1, 16, 512)))
    left = sum(one.limit for one in here.values())
    for _ in range(left):
        step(scheduler, rows, here, 1)
    assert not here
    assert not scheduler.busy


def step(scheduler, rows, here, budget):
    scheduler.admit()
    assert [one.row for one in scheduler.running] == list(range(len(scheduler.running)))
    assert len(scheduler.running) == min(8, len(here)), "a row is idle though somebody waits"
    ended = []
    for run in scheduler.plan(budget):
        for one in rows.run(scheduler, run):
            one.tokens.append(0)
            if len(one.tokens) == one.limit:
                ended.append(one)
    for one in ended:
        leave(scheduler, rows, here, one)


def leave(scheduler, rows, here, one):
    rows.move(scheduler.remove(one))
    del here[one.number]
