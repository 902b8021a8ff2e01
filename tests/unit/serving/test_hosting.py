"""One model of a replica: through configurations, loads that end or fail, illness and the end."""

import asyncio
from concurrent.futures import Future
from dataclasses import dataclass, field
from datetime import UTC, datetime

import pytest
from stand_ins import Arithmetic, loaded, revision, rows

from shoal.api.ledger import ReplicaState
from shoal.api.runtime import ModelConfig, ModelRevision
from shoal.errors import ArtifactUnavailable, ModelLoadFailed, ProofFailed
from shoal_serving.hosting import HostedModel

NOW = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass
class Load:
    """One call of `load_model`, which lasts until the test ends it."""

    revision: ModelRevision
    report: object
    serving: object
    outcome: Future = field(default_factory=Future)

    def ends(self):
        self.backend = Arithmetic()
        self.model = loaded(self.backend, config=self.revision)
        self.outcome.set_result(self.model)
        return self.model

    def fails(self, error):
        self.outcome.set_exception(error)


class Host:
    """A hosted model between a test and its loads."""

    def __init__(self):
        self.changes = 0
        self.naps = asyncio.Queue()
        self.model = HostedModel("ops/m", "node-1", self._load, self._changed, self._sleep)
        self._loop = asyncio.get_running_loop()
        self._loads = asyncio.Queue()
        self._news = asyncio.Event()

    def _load(self, key, wanted, report, serving):
        load = Load(wanted, report, serving)
        self._loop.call_soon_threadsafe(self._loads.put_nowait, load)
        return load.outcome.result(timeout=30)

    def _changed(self):
        self.changes += 1
        self._news.set()

    async def _sleep(self, seconds):
        awake = asyncio.Event()
        self.naps.put_nowait((seconds, awake))
        await awake.wait()

    def configure(self, wanted, fallback=None):
        config = ModelConfig(namespace="ops", name="m", wanted=wanted, fallback=fallback)
        return self.model.configure(config)

    async def load(self):
        """The next load that begins."""
        async with asyncio.timeout(30):
            return await self._loads.get()

    @property
    def loads_began(self):
        return not self._loads.empty()

    async def until(self, condition):
        async with asyncio.timeout(30):
            while not condition():
                self._news.clear()
                await self._news.wait()

    async def until_state(self, state):
        await self.until(lambda: self.model.state is state)

    def report(self):
        return self.model.report(NOW)


@pytest.fixture
async def host():
    host = Host()
    yield host
    await host.model.retire()


@pytest.fixture
async def serving(host):
    """A host that serves generation 1."""
    tried = host.configure(revision(1))
    host.first = await host.load()
    host.first.ends()
    await tried
    return host


def other(generation=2, **batching):
    """Another thing to load than `revision(1)`."""
    return revision(generation, uri=f"file:///models/other-{generation}", **batching)


FAILURE = ModelLoadFailed("It is broken.", "Mend it.")
UNAVAILABLE = ArtifactUnavailable("Nobody answers.", "Wait.")


async def test_a_model_that_loads_serves(serving):
    assert serving.model.serving is serving.first.model
    assert serving.report().state is ReplicaState.READY


async def test_while_it_loads_the_report_says_how_far_it_is(host):
    host.configure(revision(3))
    load = await host.load()
    load.report("download", 5, 10)
    await host.until(lambda: host.report().progress is not None)
    report = host.report()
    assert (report.state, report.generation) == (ReplicaState.LOADING, 3)
    assert report.progress.model_dump() == {"step": "download", "done": 5, "total": 10}
    assert (report.revision, report.served_generation, report.failure) == (None, None, None)
    load.ends()


async def test_only_a_new_step_is_news(host):
    host.configure(revision())
    load = await host.load()
    before = host.changes
    for done in range(100):
        load.report("download", done, 100)
    load.report("warm", 0, 1)
    await host.until(lambda: host.report().progress and host.report().progress.step == "warm")
    assert host.changes == before + 2
    load.ends()


async def test_a_model_that_serves_reports_what_it_serves(serving):
    report = serving.report()
    assert (report.node, report.reported) == ("node-1", NOW)
    assert (report.generation, report.served_generation) == (1, 1)
    assert (report.revision, report.digest) == ("r1", serving.first.model.digest)
    assert (report.progress, report.failure) == (None, None)


async def test_a_swap_keeps_the_old_one_until_the_new_one_is_proven(serving):
    tried = serving.configure(other())
    load = await serving.load()
    assert serving.model.serving is serving.first.model
    assert (await serving.model.serving.answer(rows(1)))["y"].tolist() == [[2, 2]]
    report = serving.report()
    assert (report.state, report.generation) == (ReplicaState.LOADING, 2)
    assert (report.revision, report.served_generation) == ("r1", 1)

    new = load.ends()
    await tried
    assert serving.model.serving is new
    assert serving.report().revision == "r2"


async def test_the_old_one_finishes_what_it_took_and_is_closed(serving):
    old = serving.first
    old.backend.hold()
    answering = asyncio.create_task(old.model.answer(rows(1)))
    await old.backend.entered()
    tried = serving.configure(other())
    (await serving.load()).ends()
    await tried
    assert not old.backend.closed

    old.backend.let_go()
    assert (await answering)["y"].tolist() == [[2, 2]]
    await serving.model.retire()
    assert old.backend.closed


async def test_a_failed_swap_keeps_the_old_one_and_says_why(serving):
    tried = serving.configure(other())
    (await serving.load()).fails(FAILURE)
    await tried
    report = serving.report()
    assert serving.model.serving is serving.first.model
    assert (report.state, report.generation) == (ReplicaState.FAILED, 2)
    assert (report.revision, report.served_generation) == ("r1", 1)
    assert (report.failure.reason, report.failure.message) == ("ModelLoadFailed", "It is broken.")
    assert (report.failure.action, report.failure.retriable) == ("Mend it.", False)


async def test_an_unexpected_failure_is_reported_too(host):
    tried = host.configure(revision())
    (await host.load()).fails(ZeroDivisionError("oh"))
    await tried
    assert host.report().failure.message == "Loading failed: ZeroDivisionError('oh')."


async def test_going_back_after_a_failure_loads_nothing_and_is_ready(serving):
    tried = serving.configure(other())
    (await serving.load()).fails(FAILURE)
    await tried
    await serving.configure(revision(3))
    report = serving.report()
    assert (report.state, report.failure, report.served_generation) == (ReplicaState.READY, None, 3)
    assert not serving.loads_began


async def test_a_new_wish_does_not_bear_the_failure_of_the_last_one(serving):
    tried = serving.configure(other(2))
    (await serving.load()).fails(FAILURE)
    await tried
    serving.configure(other(3))
    load = await serving.load()
    assert serving.report().failure is None
    load.ends()


async def test_the_newest_configuration_wins_over_a_load_that_is_going_on(host):
    host.configure(other(1))
    slow = await host.load()
    tried = host.configure(other(2))
    quick = await host.load()
    quick.ends()
    await tried
    slow.ends()
    await slow.backend.was_closed()
    assert host.model.serving is quick.model


async def test_loads_without_end_keep_no_other_work_waiting(host):
    slow = []
    for generation in range(40):
        host.configure(other(generation))
        slow.append(await host.load())
    async with asyncio.timeout(30):
        assert await asyncio.to_thread(int) == 0
    for load in slow:
        load.fails(FAILURE)


async def test_what_a_superseded_load_says_is_not_told(host):
    host.configure(other(1))
    slow = await host.load()
    host.configure(other(2))
    new = await host.load()
    new.report("copy", 3, 4)
    await host.until(lambda: host.report().progress is not None)
    before = host.changes
    slow.report("download", 1, 2)
    new.report("warm", 0, 1)
    await host.until(lambda: host.report().progress.step == "warm")
    assert host.changes == before + 1
    slow.fails(FAILURE)
    new.ends()


async def test_two_configurations_at_once_leave_nobody_waiting(host):
    first, second = host.configure(other(1)), host.configure(other(2))
    (await host.load()).ends()
    async with asyncio.timeout(30):
        await asyncio.gather(first, second)
    assert host.model.serving.config.generation == 2


async def test_new_limits_do_not_reload(serving):
    await serving.configure(revision(2, max_batch_size=7, max_queue_size=9))
    assert not serving.loads_began
    assert serving.model.serving is serving.first.model
    assert serving.model.serving.max_batch_size == 7
    assert serving.report().served_generation == 2


async def test_new_limits_do_not_restart_a_load(host):
    first = host.configure(revision(1))
    load = await host.load()
    second = host.configure(revision(2, max_batch_size=7))
    model = load.ends()
    await asyncio.gather(first, second)
    assert host.model.serving is model
    assert (model.max_batch_size, model.config.generation) == (7, 2)
    assert not host.loads_began


async def test_a_fresh_process_falls_back_when_the_wanted_one_fails(host):
    tried = host.configure(other(2), fallback=revision(1))
    (await host.load()).fails(FAILURE)
    (await host.load()).ends()
    await tried
    report = host.report()
    assert (report.state, report.generation) == (ReplicaState.FAILED, 2)
    assert (report.revision, report.served_generation) == ("r1", 1)
    assert report.failure.message == "It is broken."


async def test_where_the_fallback_fails_too_the_wanted_ones_failure_is_told(host):
    tried = host.configure(other(2), fallback=revision(1))
    (await host.load()).fails(FAILURE)
    (await host.load()).fails(ModelLoadFailed("So is the other.", "Weep."))
    await tried
    assert host.model.serving is None
    assert host.report().failure.message == "It is broken."


async def test_a_process_that_serves_needs_no_fallback(serving):
    tried = serving.configure(other(2), fallback=other(9))
    (await serving.load()).fails(FAILURE)
    await tried
    assert not serving.loads_began


async def test_a_failure_that_may_pass_is_tried_again_more_and_more_rarely(host):
    tried = host.configure(revision())
    naps = []
    for _ in range(8):
        (await host.load()).fails(UNAVAILABLE)
        nap, awake = await host.naps.get()
        naps.append(nap)
        awake.set()
    await tried
    assert naps == [5, 10, 20, 40, 80, 160, 300, 300]
    (await host.load()).ends()
    await host.until_state(ReplicaState.READY)
    assert host.report().failure is None


async def test_a_failure_that_stays_is_not_tried_again(host):
    tried = host.configure(revision())
    (await host.load()).fails(FAILURE)
    await tried
    await asyncio.sleep(0)
    assert host.naps.empty()


async def test_a_new_configuration_ends_the_wait_for_another_try(host):
    host.configure(other(1))
    (await host.load()).fails(UNAVAILABLE)
    await host.naps.get()
    tried = host.configure(other(2))
    (await host.load()).ends()
    await tried
    assert host.report().served_generation == 2


async def test_a_model_that_fell_ill_is_loaded_again_beside_itself(serving):
    ill = serving.first.model
    serving.model.fell_ill(ill, ProofFailed("It says 5.", "Look."))
    load = await serving.load()
    assert serving.report().failure.message == "It says 5."
    assert serving.model.serving is ill
    new = load.ends()
    await serving.until_state(ReplicaState.READY)
    assert serving.model.serving is new
    assert serving.report().failure is None


async def test_an_ill_model_that_does_not_load_again_stays_failed(serving):
    serving.model.fell_ill(serving.first.model, ProofFailed("It says 5.", "Look."))
    (await serving.load()).fails(FAILURE)
    await serving.until(lambda: serving.report().failure.message == "It is broken.")
    assert serving.report().state is ReplicaState.FAILED


async def test_an_ill_fallback_is_loaded_again_and_stays_a_fallback(host):
    tried = host.configure(other(2), fallback=revision(1))
    (await host.load()).fails(FAILURE)
    (await host.load()).ends()
    await tried
    host.model.fell_ill(host.model.serving, ProofFailed("It says 5.", "Look."))
    load = await host.load()
    assert load.revision == revision(1)
    load.ends()
    await host.until(lambda: host.model.serving is load.model)
    assert host.report().state is ReplicaState.FAILED
    assert host.report().failure.message == "It is broken."


async def test_a_model_that_was_replaced_may_be_ill(serving):
    tried = serving.configure(other())
    (await serving.load()).ends()
    await tried
    serving.model.fell_ill(serving.first.model, ProofFailed("It was unloaded.", "Look."))
    assert serving.report().failure is None
    assert not serving.loads_began


async def test_a_model_that_is_being_replaced_is_not_loaded_again(serving):
    serving.configure(other())
    load = await serving.load()
    serving.model.fell_ill(serving.first.model, ProofFailed("It says 5.", "Look."))
    assert serving.report().state is ReplicaState.LOADING
    load.ends()


async def test_a_retired_model_drains_closes_and_ends_its_loads(serving):
    serving.first.backend.hold()
    answering = asyncio.create_task(serving.first.model.answer(rows(1)))
    await serving.first.backend.entered()
    serving.configure(other())
    load = await serving.load()
    retiring = asyncio.create_task(serving.model.retire())
    await serving.until_state(ReplicaState.DRAINING)
    assert serving.model.serving is None
    serving.first.backend.let_go()
    await retiring
    assert (await answering)["y"].tolist() == [[2, 2]]
    assert serving.first.backend.closed
    load.ends()
    await load.backend.was_closed()


async def test_a_retired_model_does_not_come_back(serving):
    model = serving.model.serving
    await serving.model.retire()
    serving.model.fell_ill(model, FAILURE)
    await asyncio.sleep(0)
    assert not serving.loads_began
    assert serving.report().state is ReplicaState.DRAINING


async def test_requests_are_counted_through_every_swap(serving):
    serving.first.model.statistics.answered("ok", 0.1, 0, 0)
    serving.first.backend.hold()
    answering = asyncio.create_task(serving.first.model.answer(rows(1)))
    await serving.first.backend.entered()
    tried = serving.configure(other())
    (await serving.load()).ends()
    await tried
    serving.model.serving.statistics.answered("InvalidRequest", 0.1, 0, 0)
    assert counted(serving) == (1, 1)
    serving.first.model.statistics.answered("ok", 0.1, 0, 0)
    assert counted(serving) == (2, 1)
    serving.first.backend.let_go()
    await answering
    await serving.model.retire()
    assert counted(serving) == (2, 1)


def counted(host):
    requests = host.report().requests
    return requests.served, requests.failed


async def test_a_model_that_left_is_exported_once_more(serving):
    tried = serving.configure(other())
    (await serving.load()).ends()
    await tried
    old, new = serving.first.model, serving.model.serving
    assert serving.model.exportable()[-1] is new
    await serving.model.retire()
    assert set(serving.model.exportable()) in ({old, new}, {new})
    assert serving.model.exportable() == []


async def test_loads_and_their_failures_are_counted(serving):
    tried = serving.configure(other())
    (await serving.load()).fails(FAILURE)
    await tried
    assert serving.model.loads == 1
    assert serving.model.load_failures == {"ModelLoadFailed": 1}


async def test_while_nothing_serves_it_says_why(host):
    assert host.model.excuse() == "m is loading; try again soon"
    tried = host.configure(revision())
    (await host.load()).fails(FAILURE)
    await tried
    assert host.model.excuse() == "m could not be loaded: It is broken."
