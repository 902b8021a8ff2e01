"""Who may lead, as pure rules."""

from datetime import UTC, datetime

import pytest

from shoal.api import Lease, LeaseSpec, ObjectMeta
from shoal.plan.leadership import (
    LEASE_S,
    RENEW_DEADLINE_S,
    RETRY_S,
    may_acquire,
    observed,
    released,
    renewed,
    taken,
)

TIME = datetime(2026, 1, 1, 12, 0, 0, 250, tzinfo=UTC)


def a_lease(**spec):
    return Lease(metadata=ObjectMeta(name="shoal-operator"), spec=LeaseSpec(**spec))


HELD = a_lease(holder_identity="a", lease_duration_seconds=15, renew_time=TIME)


@pytest.mark.parametrize(
    ("lease", "waited", "may"),
    [
        (a_lease(), 0, True),
        (a_lease(holder_identity="", lease_duration_seconds=15), 0, True),
        (HELD, 14.9, False),
        (HELD, 15, True),
        (a_lease(holder_identity="a", lease_duration_seconds=60), 59, False),
        (a_lease(holder_identity="a"), LEASE_S - 1, False),
        (a_lease(holder_identity="a"), LEASE_S, True),
    ],
)
def test_a_lease_may_be_taken_once_it_lasted_unchanged(lease, waited, may):
    assert may_acquire(lease, 100.0, 100.0 + waited) is may


def test_a_leader_gives_up_before_another_may_follow_and_tries_several_times_before_that():
    assert RENEW_DEADLINE_S < LEASE_S
    assert RENEW_DEADLINE_S >= 3 * RETRY_S


def test_what_changed_is_seen_anew_and_what_did_not_since_it_was_first_seen():
    first = observed(None, HELD, 1.0)
    versioned = HELD.metadata.model_copy(update={"resource_version": "7"})
    same = observed(first, HELD.model_copy(update={"metadata": versioned}), 5.0)
    assert (same.at, same.lease.metadata.resource_version) == (1.0, "7")
    assert observed(same, renewed(HELD, datetime(1970, 1, 1, tzinfo=UTC)), 6.0).at == 6.0


def test_a_lease_that_is_taken_counts_the_change():
    spec = taken(HELD, "b", TIME).spec
    assert (spec.holder_identity, spec.lease_duration_seconds) == ("b", LEASE_S)
    assert (
        spec.lease_transitions,
        taken(taken(HELD, "b", TIME), "c", TIME).spec.lease_transitions,
    ) == (0, 1)


def test_a_renewed_lease_keeps_its_holder_and_a_released_one_has_none():
    lease = taken(HELD, "b", datetime(2000, 1, 1, tzinfo=UTC))
    assert renewed(lease, TIME).spec == lease.spec.model_copy(update={"renew_time": TIME})
    given_back = released(lease, TIME)
    assert may_acquire(given_back, 0.0, 0.0)
    assert given_back.spec.lease_transitions == lease.spec.lease_transitions


def test_times_are_written_in_microseconds_as_kubernetes_reads_them():
    written = renewed(HELD, TIME).spec.model_dump(mode="json")
    assert written["renewTime"] == "2026-01-01T12:00:00.000250Z"
