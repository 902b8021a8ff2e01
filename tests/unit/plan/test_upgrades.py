"""A Model while its Fleet starts a Ray cluster: the first one, or the one of an upgrade."""

import json

import pytest

from shoal.api import ConditionType, Reason
from shoal.plan.serve_config import RETRY_FIRST_S
from shoal.testing import a_failure, a_model, a_replica, an_application

READY, LOADED = ConditionType.READY, ConditionType.LOADED
NO_ROOM = an_application("DEPLOYING", "1 replicas that have taken more than 30s to be scheduled.")
FAILED = an_application("DEPLOY_FAILED", "Traceback\nNothingLoaded: no")


def told(world):
    """The Models that Ray Serve is told of."""
    names = [one["name"] for one in json.loads(world.tell())["applications"]]
    return [name.removeprefix("ops.") for name in names if name != "shoal-ledger"]


@pytest.fixture
def starting(world):
    """The Fleet's first Ray cluster is being started."""
    world.active, world.pending = "", "default-new"
    world.others = (a_model("other"),)
    world.tell()
    return world


def fail(world, **said):
    world.application = FAILED
    world.replicas = [a_replica(world.model, "Failed", failure=a_failure(**said))]
    world.look()


@pytest.mark.parametrize("retriable", [True, False])
def test_a_model_that_cannot_be_loaded_is_held_back(starting, retriable):
    fail(starting, retriable=retriable)
    starting.replicas = []
    assert told(starting) == ["other"]
    starting.look()
    assert starting.says() == ("False", "DigestMismatch", 1)
    assert starting.model.status.last_failure is not None
    message = starting.condition(LOADED).message
    assert message.endswith("It is tried again when the Fleet's new Ray cluster serves.")
    assert told(starting) == ["other"]
    starting.look(3600)
    assert starting.condition(LOADED).message == message
    assert told(starting) == ["other"]


def test_a_model_that_finds_no_room_is_held_back(starting):
    starting.application = NO_ROOM
    starting.look()
    assert told(starting) == ["other"]
    starting.look()
    assert starting.says() == ("False", "NoRoom", 1)
    assert told(starting) == ["other"]


def test_what_was_held_back_comes_back_when_the_fleet_has_moved(starting):
    fail(starting)
    assert told(starting) == ["other"]
    starting.replicas, starting.application = [], an_application("")
    starting.look()
    starting.active, starting.pending = "default-new", ""
    assert told(starting) == ["alarm-triage", "other"]
    starting.look()
    assert starting.says() == ("False", "Starting", 1)


def test_a_model_that_was_mended_is_tried_at_once(starting):
    fail(starting)
    assert told(starting) == ["other"]
    starting.edit(source={"uri": "file:///models/whole"})
    assert told(starting) == ["alarm-triage", "other"]
    starting.application = an_application("DEPLOYING")
    starting.look()
    assert told(starting) == ["alarm-triage", "other"]


def test_a_model_that_is_tried_again_is_not_held_back_before_ray_serve_gives_up(starting):
    starting.application = an_application("DEPLOYING")
    starting.replicas = [a_replica(starting.model, "Failed", failure=a_failure())]
    starting.look()
    assert told(starting) == ["alarm-triage", "other"]


def test_nothing_is_held_back_while_no_ray_cluster_is_being_started(world):
    world.tell()
    fail(world)
    world.replicas = []
    assert told(world) == ["alarm-triage"]


@pytest.fixture
def upgrading(served):
    """The Model serves in the old Ray cluster, of which the ledger speaks."""
    served.pending = "default-new"
    served.application = an_application("DEPLOYING")
    return served


@pytest.mark.parametrize("application", [FAILED, NO_ROOM])
def test_a_model_that_serves_is_not_held_back(upgrading, application):
    upgrading.application = application
    upgrading.look()
    assert upgrading.says() == ("True", "Ready", 1)
    assert told(upgrading) == ["alarm-triage"]


def test_a_model_that_fails_in_the_new_ray_cluster_only_says_so_and_is_tried_again(upgrading):
    upgrading.application = FAILED
    status = upgrading.look()
    assert status.last_failure.message == "NothingLoaded: no"
    assert '"attempt": 0' in upgrading.tell()
    upgrading.look(RETRY_FIRST_S)
    assert '"attempt": 1' in upgrading.tell()
    upgrading.application = an_application()
    assert upgrading.look().last_failure is None


def test_an_edit_during_an_upgrade_reaches_the_new_ray_cluster_only(upgrading):
    upgrading.edit(source={"uri": "file:///models/next"})
    upgrading.tell()
    upgrading.look()
    assert upgrading.says(LOADED) == ("False", "Upgrading", 2)
    assert upgrading.says() == ("True", "RollingOut", 1)
    upgrading.active, upgrading.pending = "default-new", ""
    upgrading.application = an_application()
    upgrading.replicas = [a_replica(upgrading.model)]
    upgrading.look()
    assert upgrading.says() == ("True", "Ready", 2)


def test_a_model_that_is_new_during_an_upgrade_waits_for_it(upgrading):
    upgrading.model = a_model("new")
    upgrading.replicas = []
    upgrading.tell()
    upgrading.look()
    assert upgrading.says() == ("False", "Upgrading", 1)
    assert upgrading.events[-1].type == "Normal"


def test_a_model_that_stopped_serving_before_the_upgrade_is_held_back(upgrading):
    upgrading.replicas, upgrading.application = [], FAILED
    upgrading.look()
    assert upgrading.says() == ("False", "ReplicaFailed", 1)
    assert told(upgrading) == []
    assert upgrading.condition(READY).reason is Reason.REPLICA_FAILED
