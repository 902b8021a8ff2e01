"""All controllers together, on a world in memory whose time passes by itself."""

import asyncio
import contextlib
from datetime import timedelta

import pytest

from shoal.api import ConditionType, Fleet, Model, find_condition
from shoal.controllers.loop import WORKERS, Controllers
from shoal.errors import InvalidResource, WorldUnavailable
from shoal.testing import a_fleet, a_model, a_replica, changed

RESYNC_S = 30
URL = "http://default.test:8000/ops/alarm-triage"


@contextlib.asynccontextmanager
async def controllers(scene, resync=timedelta(seconds=RESYNC_S)):
    task = asyncio.create_task(Controllers(scene, resync).run())
    try:
        yield task
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def reason(scene, name="alarm-triage"):
    model = await scene.model(name)
    condition = find_condition(model.status.conditions, ConditionType.READY)
    return condition.reason.value if condition else None


@pytest.fixture
def play(passing, scene):
    """Tell a story while the controllers run."""

    def run(story):
        async def told():
            await scene.begin()
            async with controllers(scene):
                await asyncio.sleep(1)
                await story()

        passing(told())

    return run


def test_a_model_converges_to_ready_and_then_all_is_quiet(play, scene):
    async def story():
        assert await reason(scene) == "Starting"
        await scene.serve(a_replica(await scene.model()))
        await asyncio.sleep(1)
        assert await reason(scene) == "Routing"
        scene.set_answers(URL)
        await asyncio.sleep(6)
        assert await reason(scene) == "Ready"
        assert (await scene.fleet()).status.models.ready == 1
        writes = scene.writes.copy()
        await asyncio.sleep(10 * RESYNC_S)
        assert scene.writes == writes

    play(story)


def test_an_edit_is_handed_over_well_within_a_second(play, scene):
    async def story():
        await scene.apply(changed(await scene.model(), source={"uri": "file:///models/next"}))
        await asyncio.sleep(0.2)
        assert "file:///models/next" in (await scene.service()).spec.serve_config

    play(story)


def test_many_changes_at_once_are_one_configuration(play, scene):
    async def story():
        before = (await scene.service()).metadata.generation
        for number in range(50):
            await scene.apply(a_model(f"m-{number}"))
        await asyncio.sleep(5)
        service = await scene.service()
        assert service.spec.serve_config.count('"route_prefix"') == 52
        assert service.metadata.generation == before + 1

    play(story)


def test_a_fleet_that_comes_later_takes_its_models(passing, scene):
    async def story():
        await scene.apply(a_model())
        async with controllers(scene):
            await asyncio.sleep(1)
            assert await reason(scene) == "FleetNotFound"
            await scene.apply(a_fleet())
            await asyncio.sleep(1)
            assert await reason(scene) == "FleetNotReady"

    passing(story())


def test_a_key_that_fails_does_not_stop_the_others(passing, scene, caplog):
    class Broken(type(scene)):
        async def get(self, kind, namespace, name):
            if name == "broken":
                raise RuntimeError("no such luck")
            return await super().get(kind, namespace, name)

    async def story():
        broken = Broken()
        await broken.begin(a_model("broken"), a_model())
        async with controllers(broken):
            await asyncio.sleep(2000)
            assert await reason(broken) == "Starting"

    passing(story())
    assert "Model ops/broken is tried again in 0." in caplog.text
    assert "RuntimeError: no such luck" in caplog.text


def test_what_breaks_the_contract_is_left_alone_until_it_changes(passing, scene, caplog):
    class Strict(type(scene)):
        broken = True
        reads = 0

        async def get(self, kind, namespace, name):
            if name == "broken" and self.broken:
                self.reads += 1
                raise InvalidResource("Model ops/broken", ("spec.replicas: expected a number",))
            return await super().get(kind, namespace, name)

    async def story():
        strict = Strict()
        await strict.begin(a_model("broken"))
        async with controllers(strict, timedelta(days=1)):
            await asyncio.sleep(3600)
            assert strict.reads < 10
            strict.broken = False
            await strict.apply(changed(await strict.model("broken"), replicas=2))
            await asyncio.sleep(1)
            assert await reason(strict, "broken") == "Starting"

    passing(story())
    assert "Model ops/broken is left as it is" in caplog.text
    assert "expected a number" in caplog.text


def test_a_reconcile_that_hangs_is_given_up_and_tried_again(passing, scene, caplog):
    class Hanging(type(scene)):
        hangs = 0

        async def ledger(self, fleet):
            self.hangs += 1
            if self.hangs < 20:
                await asyncio.Event().wait()
            return await super().ledger(fleet)

    async def story():
        hanging = Hanging()
        await hanging.begin()
        async with controllers(hanging):
            await asyncio.sleep(7200)
            assert await reason(hanging) == "Starting"

    passing(story())
    assert "is tried again in" in caplog.text
    assert "Traceback" not in caplog.text


def test_told_to_stop_it_ends_what_it_began_and_begins_nothing_more(passing, scene):
    class Slow(type(scene)):
        async def report(self, resource):
            await asyncio.sleep(5)
            await super().report(resource)

    async def story():
        slow = Slow()
        await slow.begin(*(a_model(f"m-{number}") for number in range(20)))
        running = Controllers(slow, timedelta(days=1))
        task = asyncio.create_task(running.run())
        await asyncio.sleep(1)
        running.stop()
        await task
        assert asyncio.get_running_loop().time() < 7
        assert slow.writes["report"] == WORKERS

    passing(story())


def test_a_fleet_that_cannot_be_seen_concerns_all_its_models(passing, scene):
    class Foggy(type(scene)):
        fog = False

        async def reachable(self, fleet):
            if self.fog:
                raise WorldUnavailable("it cannot be seen")
            return await super().reachable(fleet)

    async def story():
        foggy = Foggy()
        await foggy.begin(a_model("a"), a_model("b"))
        async with controllers(foggy, timedelta(days=1)):
            await asyncio.sleep(5)
            foggy.fog = True
            foggy.set_reachable("default", False)
            await asyncio.sleep(5)
            foggy.fog = False
            await asyncio.sleep(120)
            assert await reason(foggy, "a") == await reason(foggy, "b") == "FleetNotReady"

    passing(story())


def test_a_world_that_is_away_for_a_while_is_waited_for(passing, scene, caplog):
    class Away(type(scene)):
        away = True

        async def list(self, kind, namespace=None):
            if self.away:
                raise WorldUnavailable("the API server does not answer")
            return await super().list(kind, namespace)

    async def story():
        away = Away()
        await away.begin()
        async with controllers(away) as running:
            await asyncio.sleep(100)
            assert not running.done()
            away.away = False
            await asyncio.sleep(70)
            assert await reason(away) == "Starting"

    passing(story())
    assert "the resync is put off: the API server does not answer" in caplog.text
    assert "Traceback" not in caplog.text


def test_a_watch_that_breaks_is_begun_anew(passing, scene, caplog):
    class Breaking(type(scene)):
        watches = 0

        async def watch(self):
            self.watches += 1
            if self.watches == 1:
                raise WorldUnavailable("the connection is gone")
            async for key in super().watch():
                yield key

    async def story():
        breaking = Breaking()
        await breaking.begin()
        async with controllers(breaking):
            await asyncio.sleep(2)
            assert await reason(breaking) == "Starting"

    passing(story())
    assert "the watch broke and is begun anew: the connection is gone" in caplog.text


def test_a_missed_change_is_made_good_by_the_resync(play, scene):
    async def story():
        scene._reachable.clear()
        assert await reason(scene) == "Starting"
        await asyncio.sleep(2 * RESYNC_S)
        assert await reason(scene) == "FleetNotReady"

    play(story)


def test_a_model_that_moves_leaves_its_old_fleet(play, scene):
    async def story():
        await scene.apply(a_fleet("other"))
        await scene.apply(changed(await scene.model(), fleet="other"))
        await asyncio.sleep(1)
        assert "alarm-triage" not in (await scene.service()).spec.serve_config
        assert len(await scene.list(Fleet)) == 2
        assert len(await scene.list(Model)) == 1

    play(story)
