"""Whatever happens to a Model, in whichever order, its status keeps its promises."""

import json
import random

import pytest

from shoal.api import ConditionType, Reason, find_condition
from shoal.testing import POD_SITE, a_failure, a_replica, an_application

READY, LOADED = ConditionType.READY, ConditionType.LOADED
NO_ROOM = an_application("DEPLOYING", "1 replicas that wait to be scheduled.")
APPLICATIONS = (
    an_application(),
    an_application("DEPLOYING"),
    an_application("DEPLOY_FAILED", "Traceback\nOSError: no"),
    NO_ROOM,
)
SPECS = (
    {"source": {"uri": "file:///models/next"}},
    {"source": {"uri": "file:///models/broken"}},
    {"replicas": None, "scaling": {"min_replicas": 0, "max_replicas": 2}},
    {"replicas": None, "scaling": {"min_replicas": 1, "max_replicas": 2}},
    {"scaling": None, "replicas": 2},
    {"rollout": "Recreate"},
    {"resources": {"cpu": "64"}},
    {"resources": {"cpu": "1"}},
)


def edit(world, chance):
    world.edit(**chance.choice(SPECS))


def tell(world, chance):
    world.tell()


def deploy(world, chance):
    world.application = chance.choice(APPLICATIONS)


def replicate(world, chance):
    """Replicas of this generation or the one before, in any state."""
    newest = world.model.metadata.generation
    world.replicas = []
    for _ in range(chance.randint(0, 2)):
        state = chance.choice(["Loading", "Ready", "Failed", "Draining"])
        serves = chance.choice([None, max(1, newest - 1)]) if state != "Ready" else newest
        retriable = chance.random() < 0.5
        failure = a_failure(retriable=retriable) if state == "Failed" else None
        told = chance.choice([newest, max(1, newest - 1)])
        entry = a_replica(world.model, state, serves=serves, failure=failure, generation=told)
        world.replicas.append(entry)


def silence(world, chance):
    world.replicas = None


def connect(world, chance):
    world.reachable, world.answers = chance.random() < 0.8, chance.random() < 0.8


def begin_upgrade(world, chance):
    world.pending = "default-new"


def promote(world, chance):
    world.active, world.pending = "default", ""


def start_anew(world, chance):
    world.active, world.pending = "", "default-new"


STEPS = (edit, tell, tell, deploy, deploy, replicate, replicate, replicate)
STEPS += (silence, connect, begin_upgrade, promote, start_anew)


@pytest.mark.parametrize("seed", range(20))
def test_a_status_keeps_its_promises_through_any_history(world, seed):
    chance = random.Random(seed)
    if seed % 2:
        world.site = POD_SITE
    world.tell()
    for _ in range(60):
        chance.choice(STEPS)(world, chance)
        world.look(0)
        check_promises(world)


def check_promises(world):
    status, newest = world.model.status, world.model.metadata.generation
    kinds = [one.type.value for one in status.conditions]
    assert status.observed_generation == newest
    assert len(kinds) == len(set(kinds))
    assert not {"Reconciling", "Stalled"} <= set(kinds)
    ready, loaded = world.condition(READY), world.condition(LOADED)
    assert ready.observed_generation <= newest
    if loaded is None:
        return
    complete = loaded.status == ready.status == "True"
    assert complete is ("Reconciling" not in kinds and "Stalled" not in kinds)
    if ready.status == "True":
        assert world.reachable
        may_be_idle = world.model.spec.least_replicas == 0
        assert world.replicas is None or world.observed.answering or may_be_idle
    if loaded.status == "True" and world.replicas is not None:
        assert ready.reason is not Reason.STARTING
        assert loaded.observed_generation == newest


@pytest.mark.parametrize("seed", range(20))
def test_what_ray_serve_is_told_comes_to_rest_in_any_world(world, seed):
    chance = random.Random(seed)
    world.tell()
    for _ in range(12):
        for _ in range(5):
            chance.choice(STEPS)(world, chance)
            world.look(0)
        for _ in range(3):
            world.tell()
            world.look(0)
        text, status = world.tell(), world.model.status
        assert world.look(0) == status
        assert world.tell() == text


@pytest.mark.parametrize("seed", range(20))
def test_a_model_that_serves_is_never_left_out(world, seed):
    chance = random.Random(seed)
    for _ in range(60):
        chance.choice(STEPS)(world, chance)
        world.look(0)
        names = {one["name"] for one in json.loads(world.tell())["applications"]}
        placed = find_condition(world.model.status.conditions, ConditionType.PLACED)
        if world.observed.answering and placed is not None and placed.status == "True":
            assert "ops.alarm-triage" in names
