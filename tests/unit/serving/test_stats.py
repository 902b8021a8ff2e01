"""Counting what a model did."""

import pytest

from shoal_serving.stats import SIZES, Histogram, Statistics


@pytest.mark.parametrize(("value", "bucket"), [(0, 0), (1, 0), (1.5, 1), (2, 1), (3, 2), (99, 2)])
def test_a_value_is_counted_in_the_first_bucket_that_holds_it(value, bucket):
    histogram = Histogram((1, 2))
    histogram.observe(value)
    assert histogram.buckets[bucket] == 1
    assert (histogram.count, histogram.total) == (1, value)


def test_requests_are_counted_by_outcome():
    statistics = Statistics()
    for outcome in ("ok", "ok", "Overloaded", "InvalidRequest"):
        statistics.answered(outcome, 0.1, bytes_in=10, bytes_out=1)
    assert (statistics.served, statistics.failed) == (2, 2)
    assert (statistics.bytes_in, statistics.bytes_out) == (40, 4)
    assert statistics.latency.count == 4


def test_batches_are_counted_by_their_rows():
    statistics = Statistics()
    for rows, seconds in [(1, 0.25), (8, 0.5), (8, 0.25)]:
        statistics.ran(rows, waits=[0.1], ran=seconds)
    assert {rows: (ran.count, ran.total) for rows, ran in statistics.batches.items()} == {
        1: (1, 0.25),
        8: (2, 0.75),
    }
    assert (statistics.rows.count, statistics.rows.total) == (3, 17)
    assert statistics.last_inference > 0


def test_sizes_without_end_are_not_kept_without_end():
    statistics = Statistics()
    for rows in range(SIZES + 100):
        statistics.ran(rows, waits=[0], ran=0)
    assert len(statistics.batches) == SIZES
    assert statistics.rows.count == SIZES + 100


def test_what_ran_together_waited_and_ran_each_for_itself():
    statistics = Statistics()
    statistics.ran(3, waits=[0.25, 0.5, 0.0], ran=2.0)
    assert (statistics.waits.count, statistics.waits.total) == (3, 0.75)
    assert (statistics.runs.count, statistics.runs.total) == (3, 6.0)
    assert statistics.compute.count == 1
