"""How much work a change makes where there are many Models: counted, not timed."""

import asyncio
from collections import Counter
from datetime import timedelta

import pytest

from shoal.api import (
    MAX_MODELS,
    Condition,
    ConditionType,
    Fleet,
    Model,
    ModelStatus,
    Reason,
    is_true,
)
from shoal.cluster import Key
from shoal.cluster.memory import MemoryCluster
from shoal.controllers.loop import Controllers, phase
from shoal.testing import a_fleet, a_ledger, a_model, a_replica, changed

FLEETS, FEW, MANY = 5, 200, 1000
RESYNC, NEVER = timedelta(minutes=10), timedelta(days=7)


class Crowd(MemoryCluster):
    """Five Fleets, their Models, and what was reconciled."""

    def __init__(self, size):
        super().__init__()
        self.size = size
        self.reconciled = Counter()

    async def begin(self):
        for number in range(FLEETS):
            name = f"fleet-{number}"
            await self.apply(a_fleet(name))
            self.set_ledger(name, a_ledger({}))
            self.set_reachable(name)
        for number in range(self.size):
            await self.apply(a_model(f"m-{number}", fleet=f"fleet-{number % FLEETS}"))

    def saw(self, done):
        self.reconciled[done.key] += 1

    def by_kind(self):
        kinds = Counter()
        for key, count in self.reconciled.items():
            kinds[key.kind] += count
        return kinds

    async def model(self, number=7):
        return await self.get(Model, "ops", f"m-{number}")


@pytest.fixture
def settled(passing):
    """Tell a story that begins once everything is quiet."""

    def run(story, resync=NEVER, models=FEW):
        async def told():
            crowd = Crowd(models)
            await crowd.begin()
            controllers = Controllers(crowd, resync, crowd.saw)
            task = asyncio.create_task(controllers.run())
            await asyncio.sleep(60)
            crowd.reconciled.clear()
            await story(crowd)
            controllers.stop()
            await task

        passing(told())

    return run


def test_what_follows_from_a_changed_model_is_little(settled):
    """It and its Fleet are reconciled once; then the Fleet's RayService changes, which every Model
    of that Fleet looks at once.
    """

    async def story(crowd):
        await crowd.apply(changed(await crowd.model(), source={"uri": "file:///models/next"}))
        await asyncio.sleep(0.08)
        assert set(crowd.reconciled) == {Key("Model", "ops", "m-7"), Key("Fleet", "", "fleet-2")}
        assert crowd.by_kind()["Fleet"] == 1
        await asyncio.sleep(30)
        assert {key.name for key in crowd.reconciled if key.kind == "Fleet"} == {"fleet-2"}
        assert crowd.by_kind()["Fleet"] <= 4
        assert crowd.by_kind()["Model"] <= 2 * crowd.size / FLEETS

    settled(story, models=MANY)


def test_a_status_that_was_written_is_counted_by_its_fleet_at_leisure(settled):
    async def story(crowd):
        model = await crowd.model()
        ready = Condition(type=ConditionType.READY, status="True", reason=Reason.READY)
        await crowd.report(model.model_copy(update={"status": ModelStatus(conditions=(ready,))}))
        await asyncio.sleep(0.9)
        assert {key.kind for key in crowd.reconciled} == {"Model"}
        await asyncio.sleep(30)
        assert crowd.by_kind()["Fleet"] <= 2
        assert crowd.by_kind()["Model"] <= 3

    settled(story)


def test_a_fleet_that_counts_anew_concerns_none_of_its_models(settled):
    async def story(crowd):
        fleet = await crowd.get(Fleet, "", "fleet-2")
        counts = fleet.status.models.model_copy(update={"ready": 5})
        status = fleet.status.model_copy(update={"models": counts})
        await crowd.report(fleet.model_copy(update={"status": status}))
        await asyncio.sleep(30)
        assert crowd.by_kind()["Model"] == 0

    settled(story)


def test_a_ledger_that_tells_of_one_model_concerns_that_one(settled):
    async def story(crowd):
        model = await crowd.model()
        crowd.set_ledger("fleet-2", a_ledger({"ops/m-7": [a_replica(model, "Loading")]}))
        await asyncio.sleep(0.08)
        assert set(crowd.reconciled) == {Key("Model", "ops", "m-7"), Key("Fleet", "", "fleet-2")}
        assert crowd.by_kind()["Fleet"] == 1

    settled(story)


def test_a_fleet_that_cannot_be_reached_concerns_its_models_only(settled):
    async def story(crowd):
        crowd.set_reachable("fleet-2", False)
        await asyncio.sleep(10)
        assert {key.name for key in crowd.reconciled if key.kind == "Fleet"} == {"fleet-2"}
        assert len(crowd.reconciled) == 1 + crowd.size / FLEETS
        assert crowd.by_kind()["Model"] <= 2 * crowd.size / FLEETS

    settled(story)


def test_forty_changes_in_a_second_are_few_reconciles_of_their_fleet(settled):
    async def story(crowd):
        for number in range(2, FEW, FLEETS):
            await crowd.apply(changed(await crowd.model(number), suspend=True))
            await asyncio.sleep(0.025)
        await asyncio.sleep(30)
        assert crowd.by_kind()["Fleet"] <= 8

    settled(story)


def test_a_resync_looks_at_everything_once_and_never_at_much_at_a_time(settled):
    async def story(crowd):
        await asyncio.sleep(RESYNC.total_seconds())
        crowd.reconciled.clear()
        most = 0
        writes = crowd.writes.copy()
        for _ in range(60):
            before = crowd.reconciled.total()
            await asyncio.sleep(RESYNC.total_seconds() / 60)
            most = max(most, crowd.reconciled.total() - before)
        assert len(crowd.reconciled) == crowd.size + FLEETS
        assert crowd.reconciled.total() == crowd.size + FLEETS
        assert most < 3 * crowd.size / 60
        assert crowd.writes == writes

    settled(story, RESYNC)


def test_turns_are_spread_evenly():
    turns = Counter(int(10 * phase(Key("Model", "ops", f"m-{n}"))) for n in range(5000))
    assert set(turns) == set(range(10))
    assert max(turns.values()) < 1.3 * min(turns.values())


def test_in_a_fleet_of_too_many_a_place_that_becomes_free_is_taken(passing):
    async def waiting(crowd):
        models = await crowd.list(Model)
        refused = (m for m in models if not is_true(m.status.conditions, ConditionType.ACCEPTED))
        return [model.metadata.name for model in refused]

    async def story():
        crowd = Crowd(0)
        await crowd.begin()
        for number in range(MAX_MODELS + 2):
            await crowd.apply(a_model(f"m-{number}", fleet="fleet-2"))
        controllers = Controllers(crowd, NEVER)
        task = asyncio.create_task(controllers.run())
        await asyncio.sleep(60)
        assert await waiting(crowd) == ["m-200", "m-201"]
        await crowd.apply(changed(await crowd.model(), suspend=True))
        await asyncio.sleep(10)
        assert await waiting(crowd) == ["m-201"]
        controllers.stop()
        await task

    passing(story())
