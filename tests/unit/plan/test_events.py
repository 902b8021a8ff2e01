import pytest

from shoal.api import Reason
from shoal.plan.events import transitions
from shoal.plan.fleet_status import fleet_status
from shoal.plan.observed import ObservedFleet
from shoal.testing import NOW, SITE, a_failure, a_fleet, a_replica


def told(world):
    """The events so far, as type and reason; they are forgotten then."""
    events = [(event.type, event.reason) for event in world.events]
    world.events.clear()
    return events


def test_a_model_that_comes_up_tells_each_step_once(world):
    world.look()
    world.tell()
    world.look()
    world.look()
    world.replicas = [a_replica(world.model)]
    world.look()
    world.answers = True
    world.look()
    world.look()
    assert told(world) == [
        ("Normal", "Accepted"),
        ("Normal", "Pending"),
        ("Normal", "Starting"),
        ("Normal", "Loaded"),
        ("Normal", "Routing"),
        ("Normal", "Ready"),
    ]


def test_a_failure_is_a_warning_although_the_model_stays_ready(served):
    told(served)
    served.edit(source={"uri": "file:///models/broken"})
    served.tell()
    served.replicas = [a_replica(served.model, "Failed", serves=1, failure=a_failure())]
    served.look()
    assert told(served) == [("Warning", "DigestMismatch")]


@pytest.mark.parametrize("spec", [{"suspend": True}, {"replicas": 0}])
def test_what_its_owner_asked_for_is_no_warning(served, spec):
    told(served)
    served.edit(**spec)
    served.look()
    assert told(served) == [("Normal", "Suspended")]


def test_progress_within_a_step_is_not_told(world):
    world.tell()
    for done in range(3):
        progress = {"step": "warm", "done": done, "total": 3}
        world.replicas = [a_replica(world.model, "Loading", progress=progress)]
        world.look()
    assert told(world).count(("Normal", "Loading")) == 1


def test_a_fleet_that_is_away_is_no_fault_of_the_model(served):
    told(served)
    served.reachable = False
    served.look()
    assert told(served) == [("Normal", "FleetNotReady")]


def test_an_event_says_whom_it_concerns(world):
    world.fleet = None
    world.look()
    event = world.events[0]
    assert (event.kind, event.namespace, event.name) == ("Model", "ops", "alarm-triage")
    assert (event.type, event.reason, event.count) == ("Warning", Reason.FLEET_NOT_FOUND, 1)
    assert event.first_timestamp == event.last_timestamp == world.now


def test_a_fleet_tells_its_events_without_a_namespace():
    fleet = a_fleet()
    after = fleet_status(ObservedFleet(fleet, SITE), NOW).conditions
    said = [(event.namespace, event.type, event.reason) for event in transitions(fleet, after, NOW)]
    assert said == [("", "Normal", "Accepted"), ("", "Normal", "Provisioning")]
