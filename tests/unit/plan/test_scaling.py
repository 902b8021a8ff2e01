"""A Model whose replicas come and go with its requests."""

import pytest

from shoal.api import ConditionType, Pod
from shoal.testing import POD_SITE, a_failure, a_fleet, a_replica, an_application

LOADED = ConditionType.LOADED


@pytest.fixture
def scaled(world):
    """From none to three replicas; one serves."""
    world.edit(scaling={"min_replicas": 0, "max_replicas": 3})
    world.tell()
    world.replicas, world.answers = [a_replica(world.model)], True
    world.look()
    world.tell()
    return world


def counts(world):
    replicas = world.model.status.replicas
    return replicas.desired, replicas.ready


def test_a_model_that_may_have_no_replica_is_not_ready_before_one_served(world):
    world.edit(scaling={"min_replicas": 0})
    world.tell()
    world.look()
    assert world.says() == ("False", "Starting", 2)
    assert counts(world) == (1, 0)


def test_an_idle_model_keeps_its_revision_while_the_address_is_silent(scaled):
    revision = scaled.look().revision
    scaled.replicas = []
    scaled.look()
    scaled.reachable = False
    assert scaled.look().revision == revision
    scaled.reachable = True
    assert scaled.look().revision == revision
    assert scaled.says() == ("True", "Idle", 2)


def test_a_model_that_nobody_asks_is_idle_and_stays_ready(scaled):
    scaled.replicas, scaled.answers = [], False
    status = scaled.look()
    assert scaled.says() == ("True", "Idle", 2)
    assert scaled.says(LOADED) == ("True", "Idle", 2)
    assert scaled.condition(ConditionType.RECONCILING) is None
    assert (counts(scaled), status.revision) == ((0, 0), "00000002")
    assert scaled.events[-1].type == "Normal"


def test_an_idle_model_that_is_woken_stays_ready_and_says_how_far_it_is(scaled):
    scaled.replicas, scaled.answers = [], False
    scaled.look()
    scaled.replicas = [a_replica(scaled.model, "Loading")]
    scaled.look()
    assert scaled.says() == ("True", "Loading", 2)
    assert scaled.says(LOADED) == ("False", "Loading", 2)
    assert counts(scaled) == (1, 0)
    scaled.replicas = [a_replica(scaled.model)]
    scaled.look()
    assert scaled.says() == ("True", "Ready", 2)


def test_an_idle_model_that_cannot_be_woken_is_not_ready_and_is_kept_awake(scaled):
    scaled.replicas, scaled.answers = [], False
    scaled.look()
    assert '"min_replicas": 0' in scaled.tell()
    scaled.replicas = [a_replica(scaled.model, "Failed", failure=a_failure())]
    scaled.look()
    assert scaled.says() == ("False", "DigestMismatch", 2)
    assert '"min_replicas": 1' in scaled.tell()


def test_an_idle_model_outlives_a_fleet_that_is_away(scaled):
    scaled.replicas, scaled.answers = [], False
    scaled.look()
    scaled.reachable, scaled.replicas = False, None
    scaled.look()
    assert scaled.says() == ("False", "FleetNotReady", 2)
    scaled.reachable, scaled.replicas = True, []
    scaled.look()
    assert scaled.says() == ("True", "Idle", 2)


def test_a_new_generation_of_an_idle_model_is_proven_first(scaled):
    scaled.replicas, scaled.answers = [], False
    scaled.look()
    scaled.edit(source={"uri": "file:///models/next"})
    assert '"min_replicas": 1' in scaled.tell()
    scaled.look()
    assert scaled.says() == ("False", "Starting", 3)
    scaled.replicas, scaled.answers = [a_replica(scaled.model)], True
    scaled.look()
    assert scaled.says() == ("True", "Ready", 3)


def test_a_replica_more_does_not_make_a_model_less_loaded(scaled):
    scaled.replicas = [a_replica(scaled.model), a_replica(scaled.model, "Loading")]
    scaled.look()
    assert scaled.says() == ("True", "Ready", 2)
    assert counts(scaled) == (2, 1)


def test_what_runs_counts_within_the_bounds(scaled):
    scaled.replicas = [a_replica(scaled.model)] * 5
    scaled.look()
    assert counts(scaled) == (3, 5)
    scaled.replicas = None
    scaled.look()
    assert counts(scaled) == (3, 5)


def test_a_new_generation_is_loaded_once_no_replica_serves_the_old_one(scaled):
    scaled.replicas = [a_replica(scaled.model)] * 2
    scaled.look()
    old = scaled.replicas
    scaled.edit(source={"uri": "file:///models/next"})
    scaled.tell()
    scaled.replicas = [old[0], a_replica(scaled.model)]
    scaled.look()
    assert scaled.says() == ("True", "RollingOut", 2)
    assert "1 of 2 replicas loaded generation 3" in scaled.condition(LOADED).message
    scaled.replicas = [a_replica(scaled.model)] * 2
    scaled.look()
    assert scaled.says() == ("True", "Ready", 3)


def test_fewer_replicas_than_the_fewest_are_told(world):
    world.edit(scaling={"min_replicas": 2, "max_replicas": 3})
    world.tell()
    world.replicas, world.answers = [a_replica(world.model)] * 2, True
    world.look()
    world.replicas = [a_replica(world.model)]
    world.look()
    assert world.says() == ("True", "Starting", 2)
    assert counts(world) == (2, 1)


WAITING = an_application(
    "DEPLOYING",
    "1 replicas that have taken more than 30s to be scheduled. Resources required for each replica:"
    ' {"CPU": 0.5}, total resources available: {"CPU": 0.0}. Use `ray status` for more details.',
)


def a_pod(name="w", **said):
    return {"name": name, "rayCluster": "default", "group": "local", **said}


@pytest.mark.parametrize(
    ("pods", "reason", "words"),
    [
        ([], "Starting", "a worker of pool local is being started; 0 of at most 2 are there"),
        (
            [a_pod(ready=True)],
            "Starting",
            "a worker of pool local is being started; 1 of at most 2 are there",
        ),
        (
            [a_pod("a", ready=True), a_pod("b", problem="Unschedulable: no GPU")],
            "PodsWaiting",
            "a worker of pool local cannot start: Unschedulable: no GPU",
        ),
        (
            [a_pod("a", ready=True), a_pod("b", ready=True)],
            "NoRoom",
            'a replica needs {"CPU": 0.5}, free are {"CPU": 0.0}.',
        ),
        (
            [a_pod("a", ready=True), a_pod("b", group="other", problem="Unschedulable: no")],
            "Starting",
            "1 of at most 2 are there",
        ),
    ],
)
def test_a_replica_without_a_place_says_whether_a_worker_is_on_its_way(world, pods, reason, words):
    world.site, world.application = POD_SITE, WAITING
    world.fleet = a_fleet(pools=({"name": "local", "workers": {"min": 1, "max": 2}},))
    world.surroundings = {"pods": [Pod.model_validate(one) for one in pods]}
    world.tell()
    world.look()
    assert world.says() == ("False", reason, 1)
    assert words in world.condition(LOADED).message


@pytest.mark.parametrize(("rollout", "told"), [("Surge", True), ("Recreate", False)])
def test_a_rollout_without_room_for_two_may_accept_a_gap(served, rollout, told):
    served.edit(resources={"cpu": "64"}, rollout=rollout)
    served.tell()
    served.application = WAITING
    served.look()
    assert served.says() == ("True", "NoRoomToSurge", 1)
    message = served.condition(LOADED).message
    assert ("or say spec.rollout: Recreate to accept a gap" in message) is told
