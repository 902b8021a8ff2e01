from shoal.api import ConditionType, RayServiceStatus
from shoal.plan.fleet_status import fleet_status
from shoal.plan.observed import ObservedFleet
from shoal.testing import NOW, SITE, a_fleet, a_model, a_ray_service


def observe(service=None, **said):
    return ObservedFleet(a_fleet(), SITE, ray_service=service, **said)


def words(status):
    return [(one.type.value, one.status, one.reason.value) for one in status.conditions]


def test_a_new_fleet_is_being_provisioned():
    status = fleet_status(observe(), NOW)
    assert words(status) == [
        ("Accepted", "True", "Accepted"),
        ("Provisioned", "False", "Provisioning"),
        ("Ready", "False", "Provisioning"),
    ]
    assert (status.workers.desired, status.workers.ready) == (1, 0)


def test_a_fleet_that_is_up_is_ready_once_its_address_answers():
    service = a_ray_service("{}")
    status = fleet_status(observe(service), NOW)
    assert words(status)[1:] == [
        ("Provisioned", "True", "Provisioned"),
        ("Ready", "False", "ClusterUnreachable"),
    ]
    assert "http://fleet:8000 does not answer" in status.conditions[-1].message
    status = fleet_status(observe(service, reachable=True), NOW)
    assert words(status)[-1] == ("Ready", "True", "Ready")
    assert (status.workers.ready, status.url) == (1, "http://fleet:8000")


def test_a_refused_configuration_is_told_in_ray_serves_words():
    refused = RayServiceStatus(refusal="port: expected an integer", num_serve_endpoints=1)
    service = a_ray_service("{}").model_copy(update={"status": refused})
    status = fleet_status(observe(service, reachable=True), NOW)
    assert words(status)[1:] == [
        ("Provisioned", "False", "ConfigurationRefused"),
        ("Ready", "True", "Ready"),
    ]
    assert status.conditions[1].message == "port: expected an integer"


def test_a_fleet_counts_its_models_and_those_that_are_ready(served):
    status = fleet_status(observe(models=(served.model, a_model("new"))), NOW)
    assert (status.models.total, status.models.ready) == (2, 1)


def test_the_status_of_a_fleet_that_stands_still_stays():
    observed = observe(a_ray_service("{}"), reachable=True)
    first = fleet_status(observed, NOW)
    fleet = observed.fleet.model_copy(update={"status": first})
    later = NOW.replace(year=2027)
    again = ObservedFleet(fleet, SITE, ray_service=observed.ray_service, reachable=True)
    assert fleet_status(again, later) == first
    assert {one.type for one in first.conditions} == {
        ConditionType.ACCEPTED,
        ConditionType.PROVISIONED,
        ConditionType.READY,
    }
