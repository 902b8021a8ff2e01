"""What a Fleet says of itself, on a laptop and in pods."""

from dataclasses import replace

import pytest

from shoal.api import (
    ConditionType,
    Node,
    Pod,
    RayCluster,
    RayService,
    RayServiceStatus,
    Reason,
    find_condition,
)
from shoal.plan.fleet_status import fleet_status
from shoal.plan.observed import ObservedFleet
from shoal.plan.refusal import Refusal
from shoal.testing import NOW, POD_SITE, SITE, a_fleet, a_model, a_ray_service, an_application

OLD, NEW = "default-old", "default-new"
HEAD_READY = {"type": "HeadPodReady", "status": "True"}


def observe(service=None, **said):
    return ObservedFleet(a_fleet(), SITE, ray_service=service, **said)


def words(status):
    return [(one.type.value, one.status, one.reason.value) for one in status.conditions]


def message(status, kind=ConditionType.PROVISIONED):
    return find_condition(status.conditions, kind).message


def test_a_new_fleet_is_being_provisioned():
    status = fleet_status(observe(), NOW)
    assert words(status) == [
        ("Accepted", "True", "Accepted"),
        ("Provisioned", "False", "Provisioning"),
        ("Ready", "False", "Provisioning"),
        ("Reconciling", "True", "Provisioning"),
    ]
    assert (status.workers.desired, status.workers.ready) == (1, 0)


def test_a_fleet_that_is_up_is_ready_once_its_address_answers():
    service = a_ray_service("{}")
    status = fleet_status(observe(service), NOW)
    assert words(status)[1:] == [
        ("Provisioned", "True", "Provisioned"),
        ("Ready", "False", "ClusterUnreachable"),
        ("Reconciling", "True", "ClusterUnreachable"),
    ]
    assert "http://fleet:8000 does not answer" in message(status, ConditionType.READY)
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
        ("Stalled", "True", "ConfigurationRefused"),
    ]
    assert message(status) == "port: expected an integer"


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


def a_cluster(name, desired=1, ready=1, conditions=(HEAD_READY,), **applications):
    """What its RayService says of a Ray cluster, and what it says itself."""
    status = {
        "desiredWorkerReplicas": desired,
        "readyWorkerReplicas": ready,
        "conditions": list(conditions),
    }
    told = {
        "rayClusterName": name,
        # A copy which KubeRay made before any worker was ready, and which may stay.
        "rayClusterStatus": {"desiredWorkerReplicas": 0, "readyWorkerReplicas": 0},
        "applicationStatuses": {
            name.replace("__", ".").replace("_", "-"): said for name, said in applications.items()
        },
    }
    itself = {"namespace": POD_SITE.namespace, "name": name, "status": status}
    return told, RayCluster.model_validate(itself)


def in_pods(active=None, pending=None, generation=1, conditions=(), **said):
    """A Fleet whose RayService has these Ray clusters. One worker of each is ready."""
    there = [one for one in (active, pending) if one]
    service = RayService.model_validate(
        {
            "metadata": {"name": "default", "generation": generation},
            "status": {
                "observedGeneration": said.pop("seen", generation),
                "activeServiceStatus": active[0] if active else {},
                "pendingServiceStatus": pending[0] if pending else {},
                "conditions": conditions,
            },
        }
    )
    pods = [
        Pod(name=f"{one.name}-w", ray_cluster=one.name, ready=True)
        for _, one in there
        if one.status.ready_worker_replicas
    ]
    clusters = [one for _, one in there]
    surroundings = {"pods": pods, "ray_clusters": clusters, "reachable": True, **said}
    return ObservedFleet(a_fleet(), POD_SITE, ray_service=service, **surroundings)


def seen_before(observed, before, generation=None):
    """The same, with the status that it had; and as another generation of the Fleet."""
    fleet = observed.fleet.model_copy(update={"status": before})
    if generation is not None:
        meta = fleet.metadata.model_copy(update={"generation": generation})
        fleet = fleet.model_copy(update={"metadata": meta})
    return replace(observed, fleet=fleet)


def test_a_fleet_in_pods_is_up_with_its_head_and_a_worker():
    status = fleet_status(in_pods(a_cluster(OLD, desired=3, ready=2)), NOW)
    assert words(status)[1:] == [("Provisioned", "True", "Provisioned"), ("Ready", "True", "Ready")]
    assert (status.workers.desired, status.workers.ready) == (3, 2)


@pytest.mark.parametrize(
    "cluster",
    [
        a_cluster(OLD, ready=0),
        a_cluster(OLD, conditions=[{"type": "HeadPodReady", "status": "False"}]),
    ],
)
def test_a_fleet_without_its_head_or_any_worker_is_being_provisioned(cluster):
    status = fleet_status(in_pods(pending=cluster, reachable=False), NOW)
    assert words(status)[1:3] == [
        ("Provisioned", "False", "Provisioning"),
        ("Ready", "False", "Provisioning"),
    ]


def test_a_first_ray_cluster_may_serve_before_kuberay_calls_it_active():
    status = fleet_status(in_pods(pending=a_cluster(NEW)), NOW)
    assert words(status)[1:] == [("Provisioned", "True", "Provisioned"), ("Ready", "True", "Ready")]


SECURITY = (
    'pods "default-head" is forbidden: violates PodSecurity "restricted:latest": hostPath volumes'
)


@pytest.mark.parametrize(
    ("said", "reason", "expected"),
    [
        (
            SECURITY,
            "PodsForbidden",
            "Allow them in namespace 'shoal-system' (Pod Security, quotas)",
        ),
        ("the server is busy", "PodsWaiting", "KubeRay cannot make pods: the server is busy"),
    ],
)
def test_pods_that_cannot_be_made_say_why(said, reason, expected):
    failure = {
        "type": "ReplicaFailure",
        "status": "True",
        "reason": "FailedCreateHeadPod",
        "message": f"FailedCreateHeadPod\n{said}",
    }
    cluster = a_cluster(NEW, ready=0, conditions=[failure])
    status = fleet_status(in_pods(pending=cluster, reachable=False), NOW)
    assert words(status)[1] == ("Provisioned", "False", reason)
    assert said in message(status)
    assert expected in message(status)
    assert "FailedCreateHeadPod" not in message(status)


@pytest.mark.parametrize(
    ("problem", "way_out"),
    [
        (
            "Unschedulable: 0/3 nodes are available: 3 Insufficient cpu.",
            "Add nodes that fit, or lower the pool's workers.min or resources.",
        ),
        ("ImagePullBackOff: not found", "Check spec.ray.image and spec.ray.imagePullSecrets."),
        (
            "CrashLoopBackOff",
            "More is told by: kubectl -n shoal-system describe pod default-new-w",
        ),
    ],
)
def test_pods_that_wait_are_counted_and_the_way_out_is_told(problem, way_out):
    pods = [
        Pod(name="default-new-head", ray_cluster=NEW, group="headgroup", ready=True),
        Pod(name="default-new-w", ray_cluster=NEW, group="local", problem=problem),
    ]
    observed = in_pods(pending=a_cluster(NEW, ready=0), pods=pods, reachable=False)
    status = fleet_status(observed, NOW)
    assert words(status)[1] == ("Provisioned", "False", "PodsWaiting")
    said = problem.rstrip(".")
    assert message(status) == f"1 of 2 pods does not run. default-new-w: {said}. {way_out}"


def test_a_worker_too_many_leaves_a_fleet_provisioned_and_is_told():
    pods = [
        Pod(name="a", ray_cluster=OLD, group="local", ready=True),
        Pod(name="b", ray_cluster=OLD, group="local", problem="Unschedulable: no"),
    ]
    status = fleet_status(in_pods(a_cluster(OLD, desired=2), pods=pods), NOW)
    assert words(status)[1:] == [("Provisioned", "True", "PodsWaiting"), ("Ready", "True", "Ready")]


def test_gpus_are_those_of_the_workers_that_serve():
    pods = [
        Pod(name="a", ray_cluster=OLD, group="l4", ready=True, gpus=2),
        Pod(name="b", ray_cluster=OLD, group="l4", gpus=2),
        Pod(name="c", ray_cluster=NEW, group="l4", ready=True, gpus=2),
    ]
    assert fleet_status(in_pods(a_cluster(OLD), a_cluster(NEW), pods=pods), NOW).gpus == 2


def test_a_fleet_has_an_inventory_of_its_pools():
    node = Node(name="n", allocatable={"cpu": "8", "memory": "32Gi"})
    status = fleet_status(in_pods(a_cluster(OLD), nodes=[node]), NOW)
    assert [(one.name, one.nodes) for one in status.inventory] == [("local", 1)]
    assert fleet_status(observe(nodes=[node]), NOW).inventory == ()


def test_a_fleet_stays_ready_with_the_old_generation_until_it_has_moved():
    before = fleet_status(in_pods(a_cluster(OLD)), NOW)

    def look(observed):
        status = fleet_status(seen_before(observed, before, generation=2), NOW)
        ready = find_condition(status.conditions, ConditionType.READY)
        return ready.status, ready.reason, ready.observed_generation, words(status)[-1][0]

    told = in_pods(a_cluster(OLD), generation=2, seen=1)
    assert look(told) == ("True", Reason.READY, 1, "Reconciling")
    moving = in_pods(a_cluster(OLD), a_cluster(NEW, ready=0), generation=2)
    assert look(moving) == ("True", Reason.UPGRADING, 1, "Reconciling")
    moved = in_pods(a_cluster(NEW), generation=2)
    assert look(moved) == ("True", Reason.READY, 2, "Ready")


def test_an_upgrade_is_told_with_what_its_pods_wait_for():
    pods = [
        Pod(name="a", ray_cluster=OLD, group="local", ready=True),
        Pod(name="b", ray_cluster=NEW, group="local", problem="ImagePullBackOff: no such image"),
    ]
    status = fleet_status(in_pods(a_cluster(OLD), a_cluster(NEW, ready=0), pods=pods), NOW)
    assert words(status)[1] == ("Provisioned", "False", "Upgrading")
    assert "the old one serves meanwhile. 1 of 1 pods does not run. b: ImagePullBackOff" in message(
        status
    )


FAILED = {"status": "DEPLOY_FAILED", "message": "Traceback\nOSError: no CUDA."}
WAITING = an_application("DEPLOYING", "1 replicas that wait to be scheduled.").model_dump()


def test_an_upgrade_that_a_model_holds_up_names_it_and_says_why(served):
    other = served.model.model_copy(update={"metadata": a_model("other").metadata})
    nowhere = a_model("nowhere")
    pending = a_cluster(NEW, ops__alarm_triage=FAILED, ops__other=WAITING, ops__nowhere=FAILED)
    models = (other, served.model, nowhere)
    status = fleet_status(in_pods(a_cluster(OLD), pending, models=models), NOW)
    assert words(status)[1:3] == [
        ("Provisioned", "False", "Upgrading"),
        ("Ready", "True", "Upgrading"),
    ]
    assert message(status) == (
        "The upgrade is held up; the old Ray cluster serves on. "
        "Model ops/alarm-triage fails in the new one: OSError: no CUDA. "
        "Model ops/other finds no room in the new one. "
        "Change these Models, or undo the change of the Fleet."
    )


def test_a_configuration_that_kuberay_does_not_understand_is_told_while_it_is_the_newest():
    invalid = {
        "type": "Ready",
        "status": "False",
        "reason": "ValidationFailed",
        "message": "the name is too long",
    }
    refused = in_pods(a_cluster(OLD), generation=2, seen=1, conditions=[invalid])
    assert words(fleet_status(refused, NOW))[1] == ("Provisioned", "False", "ConfigurationRefused")
    understood = in_pods(a_cluster(OLD), generation=2, conditions=[invalid])
    assert words(fleet_status(understood, NOW))[1] == ("Provisioned", "True", "Provisioned")


def test_what_went_wrong_in_telling_kuberay_is_told_although_the_fleet_serves():
    trouble = Refusal(Reason.KUBERAY_MISSING, "Install KubeRay.")
    status = fleet_status(in_pods(a_cluster(OLD)), NOW, trouble)
    assert words(status)[1:] == [
        ("Provisioned", "False", "KubeRayMissing"),
        ("Ready", "True", "Ready"),
        ("Stalled", "True", "KubeRayMissing"),
    ]
    assert message(status) == "Install KubeRay."


def test_people_are_told_the_address_by_which_they_reach_the_fleet():
    observed = in_pods(a_cluster(OLD))
    fleet = a_fleet(network={"ingress": {"host": "models.example.com"}})
    assert fleet_status(replace(observed, fleet=fleet), NOW).url == "http://models.example.com"
