"""The operator has the rights that it uses, and no others.

A real operator runs as the chart's account on an API server that writes down its every call, and
keeps a Fleet and a Model from their beginning to their end. KubeRay is pretended.
"""

import base64
import json

import pytest
from audited import Audited, Right, forbidden, used
from operator_process import OperatorProcess, ending
from shoal_chart import NAMESPACE, RELEASE, documents, render, setting, stand_in_crd
from waiting import eventually

pytestmark = [pytest.mark.kubernetes_api, pytest.mark.timeout(300)]

ACCOUNT = f"system:serviceaccount:{NAMESPACE}:shoal-operator"
# So that each role is what allows something.
VALUES = setting(rbac__secretNamespaces=["people"])
OURS = {"apiVersion": "shoal.dev/v1alpha1"}
FLEET = OURS | {
    "kind": "Fleet",
    "metadata": {"name": "default"},
    "spec": {
        "durability": {"rocksDB": {"size": "1Gi"}},
        "pools": [{"name": "cpu", "workers": {"min": 2, "max": 2}}],
        "network": {
            "ingress": {"host": "models.example.com"},
            "route": {"gateways": [{"name": "shared"}]},
        },
    },
}
LESS = {
    "durability": None,
    "pools": [{"name": "cpu", "workers": {"min": 1, "max": 3}}],
    "network": {"ingress": None, "route": None},
}
SECRET = {
    "apiVersion": "v1",
    "kind": "Secret",
    "metadata": {"name": "store", "namespace": "people"},
    "stringData": {"token": "one"},
}
MODEL = OURS | {
    "kind": "Model",
    "metadata": {"name": "m", "namespace": "people"},
    "spec": {"source": {"uri": "https://models.example.com/m", "secretName": "store"}},
}
POD = {"spec": {"containers": [{"name": "ray", "image": "serving:1"}]}}
GROUP = {"groupName": "cpu", "minReplicas": 2, "maxReplicas": 2, "replicas": 2, "template": POD}
CLUSTER = "default-abcde"
RAY_CLUSTER = {
    "apiVersion": "ray.io/v1",
    "kind": "RayCluster",
    "metadata": {
        "name": CLUSTER,
        "namespace": NAMESPACE,
        "labels": {"shoal.dev/fleet": "default"},
    },
    "spec": {
        "headGroupSpec": {"rayStartParams": {}, "template": POD},
        "workerGroupSpecs": [GROUP | {"rayStartParams": {}}],
    },
}
RAY_STATUS = {"status": {"activeServiceStatus": {"rayClusterName": CLUSTER}}}
# Owned by the Fleet once, by a version that wanted more of them.
FORMER = (
    {"apiVersion": "v1", "kind": "Service", "spec": {"ports": [{"port": 80}]}},
    {"apiVersion": "v1", "kind": "Secret", "data": {}},
    {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "spec": {"podSelector": {}, "policyTypes": ["Ingress"]},
    },
)


@pytest.fixture
def plane():
    """With the chart, whose account does everything here, and all that it may meet."""
    with Audited({"users": [ACCOUNT]}) as running:
        for name in (NAMESPACE, "people"):
            running.kubectl("create", "namespace", name)
        running.install_kuberay_crds()
        running.apply(stand_in_crd("gateway.networking.k8s.io", "HTTPRoute"))
        running.helm("install", *RELEASE, *VALUES)
        eventually(lambda: running.serves("models,fleets"), "its kinds are served")
        yield running


@pytest.fixture
def operator(plane, tmp_path):
    kubeconfig = plane.kubeconfig_of_service_account(NAMESPACE, "shoal-operator")
    with ending([]) as processes:
        log = tmp_path / "operator.log"
        processes.append(OperatorProcess("operator", kubeconfig, NAMESPACE, log))
        yield processes[0]


def test_the_operator_uses_every_right_that_it_has_and_misses_none(plane, operator):
    a_fleet_and_a_model_come(plane)
    kuberay_starts_a_ray_cluster(plane)
    a_fleet_needs_less(plane)
    a_model_errs_twice_alike(plane)
    a_fleet_and_a_model_go(plane)
    eventually(lambda: not unused(plane) or operator.code is not None)
    assert unused(plane) == set()
    assert forbidden(plane.audit_log) == set()
    assert operator.code is None


def unused(plane):
    return given() - used(plane.audit_log)


def given():
    """What the chart's roles for the operator allow."""
    roles = (one for one in documents(render(*VALUES)) if one["kind"] in ("Role", "ClusterRole"))
    return {
        Right(f"{role['kind']}/{role['metadata']['name']}", resource, verb)
        for role in roles
        if role["metadata"]["name"].startswith("shoal-operator")
        for rule in role["rules"]
        for resource in resources(rule)
        for verb in rule["verbs"]
    }


def resources(rule):
    for group in rule["apiGroups"]:
        for resource in rule["resources"]:
            name, slash, part = resource.partition("/")
            yield f"{name}.{group}{slash}{part}" if group else resource


def a_fleet_and_a_model_come(plane):
    plane.apply(SECRET, FLEET, MODEL)
    eventually(lambda: credential(plane) == "one")
    eventually(lambda: found(plane, "rayservice", "default"))


def kuberay_starts_a_ray_cluster(plane):
    plane.apply(RAY_CLUSTER)
    where = ("rayservice", "default", "-n", NAMESPACE, "--subresource=status", "--type=merge")
    plane.kubectl("patch", *where, "-p", json.dumps(RAY_STATUS))
    eventually(lambda: CLUSTER in json.dumps(found(plane, "service", "default")))


def a_fleet_needs_less(plane):
    uid = plane.get("fleet", "default")["metadata"]["uid"]
    owner = OURS | {"kind": "Fleet", "name": "default", "uid": uid}
    metadata = {
        "name": "former",
        "namespace": NAMESPACE,
        "labels": {"shoal.dev/fleet": "default"},
        "ownerReferences": [owner],
    }
    plane.apply(*(one | {"metadata": metadata} for one in FORMER))
    change(plane, "fleet", "default", LESS)
    eventually(lambda: not found(plane, "service", "former"))
    eventually(lambda: '"maxReplicas": 3' in json.dumps(found(plane, "raycluster", CLUSTER)))


def a_model_errs_twice_alike(plane):
    absent, there = ("none", "FleetNotFound"), ("default", "Accepted")
    for fleet, reason in (absent, there, absent):
        change(plane, "model", "m", {"fleet": fleet}, "-n", "people")
        eventually(lambda reason=reason: accepted(plane) == reason)


def a_fleet_and_a_model_go(plane):
    plane.kubectl("delete", "model", "m", "-n", "people")
    plane.kubectl("delete", "fleet", "default")


def change(plane, kind, name, spec, *where):
    body = json.dumps({"spec": spec})
    plane.kubectl("patch", kind, name, *where, "--type=merge", "-p", body)


def found(plane, kind, name, namespace=NAMESPACE):
    listed = plane.kubectl(
        *("get", kind, name, "-n", namespace, "-o", "json", "--ignore-not-found"),
    )
    return json.loads(listed) if listed else {}


def credential(plane):
    data = found(plane, "secret", "default-credentials").get("data", {})
    return base64.b64decode(data.get("people.store.token", "")).decode()


def accepted(plane):
    """The reason of the Model's condition Accepted."""
    conditions = found(plane, "model", "m", "people").get("status", {}).get("conditions", ())
    return next((one["reason"] for one in conditions if one["type"] == "Accepted"), None)
