"""Candidates for one Lease, on an event loop whose time passes by itself."""

import asyncio
import contextlib
import itertools
from datetime import UTC, datetime, timedelta

import pytest
from hourglass import run_in_no_time

from shoal.api import Lease, LeaseSpec, ObjectMeta
from shoal.errors import LeadershipLost, WorldUnavailable
from shoal.manager.election import Election
from shoal.plan.leadership import LEASE_S, RENEW_DEADLINE_S, RETRY_S, renewed

LONG_AGO, FAR_AHEAD = datetime(1970, 1, 1, tzinfo=UTC), datetime(2999, 1, 1, tzinfo=UTC)
# Two looks at the Lease lie this far apart at most.
LOOK_S = 1.2 * RETRY_S


class Shelf:
    """One Lease, as an API server keeps it, and who wrote it when. It can be made to fail."""

    def __init__(self):
        self.lease = Lease(metadata=ObjectMeta(name="shoal-operator"))
        self.version = 0
        self.written = []
        self.trouble = None

    async def read(self):
        await self._be_reached()
        return self.lease

    async def write(self, lease):
        await self._be_reached()
        if lease.metadata.resource_version != self.lease.metadata.resource_version:
            return None
        return self.put(lease.spec)

    def put(self, spec):
        self.version += 1
        metadata = ObjectMeta(name="shoal-operator", resource_version=str(self.version))
        self.lease = Lease(metadata=metadata, spec=spec)
        self.written.append((clock(), spec.holder_identity))
        return self.lease

    def delete(self):
        self.lease = Lease(metadata=ObjectMeta(name="shoal-operator"))

    def held_by(self, holder, renewed=LONG_AGO, lasts=LEASE_S):
        spec = LeaseSpec(holder_identity=holder, lease_duration_seconds=lasts, renew_time=renewed)
        return self.put(spec)

    async def _be_reached(self):
        await asyncio.sleep(0.01)
        if self.trouble == "silent":
            await asyncio.Event().wait()
        if self.trouble:
            raise WorldUnavailable(self.trouble)


def clock():
    return asyncio.get_running_loop().time()


@pytest.fixture
def tell():
    """Tell a story about a Lease."""

    def run(story):
        async def told():
            await story(Shelf())

        run_in_no_time(told())

    return run


def candidate(shelf, name="a"):
    return Election(shelf, name, clock)


@contextlib.asynccontextmanager
async def leading(shelf, name="a"):
    """A candidate that leads, and the task that keeps the Lease."""
    election = candidate(shelf, name)
    await election.acquire()
    task = asyncio.create_task(election.hold())
    try:
        yield election, task
    finally:
        task.cancel()
        await asyncio.wait((task,))


def test_the_first_candidate_leads_at_once(tell):
    async def story(shelf):
        async with leading(shelf) as (election, _):
            assert clock() < 0.1
            assert election.leading
            assert shelf.lease.spec.holder_identity == "a"
            assert shelf.lease.spec.lease_transitions == 0

    tell(story)


def test_a_leader_that_renews_stays_the_only_one(tell):
    async def story(shelf):
        async with leading(shelf) as (election, task):
            other = asyncio.create_task(candidate(shelf, "b").acquire())
            for _ in range(600):
                await asyncio.sleep(1)
                election.check()
            assert not task.done()
            assert not other.done()
            other.cancel()
        assert {holder for _, holder in shelf.written} == {"a"}

    tell(story)


def test_a_lease_that_nobody_renews_is_taken_when_it_has_lasted(tell):
    async def story(shelf):
        shelf.held_by("gone")
        await candidate(shelf).acquire()
        assert LEASE_S <= clock() <= LEASE_S + 0.1
        assert shelf.lease.spec.lease_transitions == 0

    tell(story)


def test_the_next_leads_within_seconds_of_the_lease_of_a_killed_leader(tell):
    async def story(shelf):
        other = asyncio.create_task(candidate(shelf, "b").acquire())
        async with leading(shelf, "a"):
            await asyncio.sleep(60)
        killed = clock()
        await other
        assert clock() - killed <= LEASE_S + LOOK_S + 0.1
        last = max(time for time, holder in shelf.written if holder == "a")
        first = min(time for time, holder in shelf.written if holder == "b")
        assert first - last >= LEASE_S

    tell(story)


@pytest.mark.parametrize("renewed", [LONG_AGO, FAR_AHEAD])
def test_what_a_dead_holders_clock_said_changes_nothing(tell, renewed):
    async def story(shelf):
        shelf.held_by("gone", renewed)
        await candidate(shelf).acquire()
        assert LEASE_S <= clock() <= LEASE_S + 0.1

    tell(story)


@pytest.mark.parametrize("now", [LONG_AGO, FAR_AHEAD])
def test_a_living_holder_whose_clock_is_wrong_is_not_robbed(tell, now):
    async def story(shelf):
        other = asyncio.create_task(candidate(shelf, "b").acquire())
        for turn in range(100):
            shelf.held_by("skewed", now + timedelta(seconds=turn if now == LONG_AGO else -turn))
            await asyncio.sleep(5)
        assert not other.done()
        other.cancel()

    tell(story)


def test_a_holder_is_believed_how_long_its_lease_lasts(tell):
    async def story(shelf):
        shelf.held_by("gone", lasts=40)
        await candidate(shelf).acquire()
        assert 40 <= clock() <= 40.1

    tell(story)


def test_a_released_lease_is_taken_at_the_next_look(tell):
    async def story(shelf):
        async with leading(shelf) as (election, task):
            other = asyncio.create_task(candidate(shelf, "b").acquire())
            await asyncio.sleep(30)
            task.cancel()
            await election.release()
            assert not election.leading
            released = clock()
            await other
        assert clock() - released <= LOOK_S + 0.1
        assert shelf.lease.spec.lease_transitions == 1

    tell(story)


def test_a_lease_is_released_also_after_a_renewal_whose_answer_nobody_took(tell):
    async def story(shelf):
        async with leading(shelf) as (election, task):
            await asyncio.sleep(30)
            task.cancel()
            shelf.put(renewed(shelf.lease, FAR_AHEAD).spec)
            await election.release()
        assert shelf.lease.spec.holder_identity == ""

    tell(story)


def test_the_lease_of_another_is_not_released(tell):
    async def story(shelf):
        async with leading(shelf) as (election, task):
            task.cancel()
            shelf.held_by("usurper")
            await election.release()
        assert shelf.lease.spec.holder_identity == "usurper"

    tell(story)


@pytest.mark.parametrize("trouble", ["refused", "silent"])
def test_a_leader_that_cannot_renew_gives_up_well_before_another_may_take_over(tell, trouble):
    async def story(shelf):
        async with leading(shelf) as (election, task):
            await asyncio.sleep(60)
            shelf.trouble = trouble
            last = shelf.written[-1][0]
            await asyncio.wait((task,))
            assert isinstance(task.exception(), LeadershipLost)
            assert clock() - last <= RENEW_DEADLINE_S + 0.1
            with pytest.raises(LeadershipLost):
                election.check()

    tell(story)


@pytest.mark.parametrize("trouble", ["refused", "silent"])
def test_a_short_trouble_is_survived(tell, trouble):
    async def story(shelf):
        async with leading(shelf) as (election, task):
            for _ in range(10):
                shelf.trouble = trouble
                await asyncio.sleep(5)
                shelf.trouble = None
                await asyncio.sleep(5)
            assert not task.done()
            election.check()

    tell(story)


def test_a_process_that_stood_still_writes_nothing_when_it_goes_on(tell):
    """Its timers are late then: the check before a write does not depend on them."""

    async def story(shelf):
        async with leading(shelf) as (election, task):
            asyncio.get_running_loop().now += RENEW_DEADLINE_S + 0.1
            with pytest.raises(LeadershipLost):
                election.check()
            await asyncio.wait((task,))
            assert isinstance(task.exception(), LeadershipLost)

    tell(story)


def test_a_leader_that_sees_another_holder_is_none_at_once(tell):
    async def story(shelf):
        async with leading(shelf) as (election, task):
            shelf.held_by("usurper")
            await asyncio.wait((task,))
            assert "usurper holds the Lease now" in str(task.exception())
            assert clock() <= RETRY_S + 0.1
            assert not election.leading

    tell(story)


def test_an_edit_beside_the_spec_neither_ends_nor_prolongs_a_lease(tell):
    async def annotated(shelf):
        while True:
            shelf.put(shelf.lease.spec)
            await asyncio.sleep(1)

    async def story(shelf):
        shelf.held_by("gone")
        editing = asyncio.create_task(annotated(shelf))
        async with leading(shelf, "b") as (_, task):
            assert clock() <= LEASE_S + 3
            await asyncio.sleep(60)
            assert not task.done()
        editing.cancel()

    tell(story)


def test_a_deleted_lease_is_written_anew_by_its_holder_and_by_nobody_else(tell):
    async def story(shelf):
        async with leading(shelf) as (_, task):
            other = asyncio.create_task(candidate(shelf, "b").acquire())
            await asyncio.sleep(30)
            for _ in range(20):
                shelf.delete()
                await asyncio.sleep(5)
            assert not task.done()
            assert not other.done()
            other.cancel()
        assert {holder for _, holder in shelf.written} == {"a"}

    tell(story)


def test_of_many_candidates_one_leads_at_any_time(tell):
    async def lead(shelf, name, led):
        election = candidate(shelf, name)
        await election.acquire()
        led.append(name)
        task = asyncio.create_task(election.hold())
        await asyncio.sleep(20)
        task.cancel()  # As killed: nothing is given back.
        ended.append(clock())

    ended = []

    async def story(shelf):
        led = []
        names = [f"candidate-{number}" for number in range(10)]
        await asyncio.gather(*(lead(shelf, name, led) for name in names))
        assert sorted(led) == names
        turns = [holder for _, holder in shelf.written]
        assert len([1 for a, b in itertools.pairwise(turns) if a != b]) == 9

    tell(story)


def test_an_answer_that_was_lost_does_not_lose_the_lease(tell):
    class Lossy(Shelf):
        async def write(self, lease):
            await super().write(lease)
            self.losses += 1
            if self.losses == 1:
                raise WorldUnavailable("the answer was lost")
            return await super().write(self.lease)

        losses = 0

    async def story(_):
        lossy = Lossy()
        election = candidate(lossy)
        await election.acquire()
        assert clock() <= LOOK_S + 0.1
        assert election.leading

    tell(story)


def test_it_is_known_whether_a_candidate_hangs_and_whether_it_ever_got_through(tell):
    async def story(shelf):
        shelf.trouble = "refused"
        election = candidate(shelf)
        task = asyncio.create_task(election.acquire())
        await asyncio.sleep(100)
        assert not election.reached
        assert election.idle_s <= LOOK_S + 0.1
        task.cancel()
        await asyncio.sleep(100)
        assert election.idle_s >= 100

    tell(story)
