"""What is kept of objects, and what is left out."""

import pytest

from shoal.api import ModelStatus
from shoal.cluster.kube.reading import read_model, read_node, read_pod, read_ray_service


def a_raw_model(**more):
    metadata = {
        "name": "it",
        "namespace": "ops",
        "uid": "1",
        "generation": 2,
        "resourceVersion": "7",
        "creationTimestamp": "2026-01-01T12:00:00Z",
        "managedFields": [{"manager": "kubectl"}],
        "somethingNew": True,
        "annotations": {"kubectl.kubernetes.io/last-applied-configuration": "{}", "team": "a"},
    }
    return {
        "apiVersion": "shoal.dev/v1alpha1",
        "kind": "Model",
        "metadata": metadata,
        "spec": {"source": {"uri": "file:///it"}},
        **more,
    }


def test_of_metadata_only_what_is_looked_at_is_kept():
    metadata = read_model(a_raw_model()).metadata
    assert metadata.annotations == {"team": "a"}
    assert (metadata.generation, metadata.resource_version, metadata.managed_fields) == (2, "", ())


def test_a_status_in_words_of_another_version_is_written_anew():
    said = {"conditions": [{"type": "New", "status": "True", "reason": "New"}]}
    assert read_model(a_raw_model(status=said)).status == ModelStatus()
    told = {"url": "http://there"}
    assert read_model(a_raw_model(status=told)).status.url == "http://there"


def test_a_ray_service_keeps_its_owner_and_may_have_no_status():
    owner = {"kind": "Fleet", "uid": "1"}
    meta = {"name": "it", "namespace": "ops", "resourceVersion": "1", "ownerReferences": [owner]}
    service = read_ray_service({"metadata": meta, "spec": {"serveConfigV2": "{}"}})
    assert service.metadata.owner_references == (owner,)
    assert service.spec.serve_config == "{}"


def test_a_node_may_say_little():
    assert read_node({"metadata": {"name": "it"}}).allocatable == {}
    raw = {"metadata": {"name": "it"}, "spec": {"unschedulable": True}}
    assert read_node(raw).unschedulable


UNSCHEDULABLE = {
    "type": "PodScheduled",
    "status": "False",
    "reason": "Unschedulable",
    "message": "0/3 nodes are available",
}


def waiting(reason: str, message: str = "") -> dict:
    return {"state": {"waiting": {"reason": reason, "message": message}}}


@pytest.mark.parametrize(
    ("status", "problem"),
    [
        ({"conditions": [UNSCHEDULABLE]}, "Unschedulable: 0/3 nodes are available"),
        ({"containerStatuses": [waiting("ErrImagePull", "gone")]}, "ErrImagePull: gone"),
        ({"initContainerStatuses": [waiting("CrashLoopBackOff")]}, "CrashLoopBackOff"),
        ({"containerStatuses": [waiting("ContainerCreating")]}, ""),
        ({"phase": "Failed", "reason": "Evicted", "message": "low"}, "Evicted: low"),
        ({"phase": "Failed"}, "Failed"),
        ({"phase": "Running", "containerStatuses": [{"state": {"running": {}}}]}, ""),
        ({}, ""),
    ],
)
def test_a_pod_tells_why_it_does_not_run(status, problem):
    assert read_pod({"metadata": {"name": "it"}, "status": status}).pod.problem == problem


def test_a_pod_that_is_leaving_has_no_problem():
    meta = {"name": "it", "deletionTimestamp": "2026-01-01T12:00:00Z"}
    status = {"conditions": [UNSCHEDULABLE]}
    assert read_pod({"metadata": meta, "status": status}).pod.problem == ""


def test_gpus_and_mig_devices_count():
    limits = {"nvidia.com/gpu": "1", "nvidia.com/mig-1g.10gb": "2", "cpu": "4"}
    containers = [{"resources": {"limits": limits}}, {}]
    raw = {"metadata": {"name": "it"}, "spec": {"containers": containers}}
    assert read_pod(raw).pod.gpus == 3
