"""What the accounts of the chart may do: exactly what is written here, on a real API server."""

import json
import time

import pytest
from machine.commands import CommandFailed
from shoal_chart import NAMESPACE, RELEASE, setting

pytestmark = pytest.mark.kubernetes_api

EVERYWHERE = {
    "events": "create patch",
    "fleets.shoal.dev": "list watch",
    "fleets.shoal.dev/status": "patch",
    "httproutes.gateway.networking.k8s.io": "get list watch",
    "ingresses.networking.k8s.io": "get list watch",
    "models.shoal.dev": "list watch",
    "models.shoal.dev/status": "patch",
    "namespaces": "list watch",
    "networkpolicies.networking.k8s.io": "get list watch",
    "nodes": "list watch",
    "persistentvolumeclaims": "get list watch",
    "poddisruptionbudgets.policy": "get list watch",
    "pods": "list watch",
    "rayclusters.ray.io": "list watch",
    "rayservices.ray.io": "get list watch",
    "services": "get list watch",
}
WHERE_FLEETS_RUN = {
    "httproutes.gateway.networking.k8s.io": "create patch delete",
    "ingresses.networking.k8s.io": "create patch delete",
    "networkpolicies.networking.k8s.io": "create patch delete",
    "persistentvolumeclaims": "create patch delete",
    "poddisruptionbudgets.policy": "create patch delete",
    "rayclusters.ray.io": "patch",
    "rayservices.ray.io": "create patch",
    "secrets": "get list create patch delete",
    "services": "create patch delete",
}
WHERE_SECRETS_ARE_READ = {"secrets": "get"}
WHERE_IT_RUNS = {
    "leases.coordination.k8s.io": "create",
    "leases.coordination.k8s.io shoal-operator": "get update",
}


def together(*parts):
    verbs: dict[str, set[str]] = {}
    for part in parts:
        for resource, words in part.items():
            verbs.setdefault(resource, set()).update(words.split())
    return verbs


def rights(cluster, namespace, account="shoal-operator"):
    """Resource (and the one object that it is about) → verbs, but for asking what one may do."""
    review = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectRulesReview",
        "spec": {"namespace": namespace},
    }
    who = cluster.kubeconfig_of_service_account(NAMESPACE, account)
    arguments = ("create", "--validate=false", "-f", "-", "-o", "json")
    answer = cluster.kubectl(*arguments, stdin=json.dumps(review), kubeconfig=who)
    verbs: dict[str, set[str]] = {}
    for rule in json.loads(answer)["status"]["resourceRules"]:
        for key in keys_of(rule):
            verbs.setdefault(key, set()).update(rule["verbs"])
    return verbs


def keys_of(rule):
    for group in rule["apiGroups"]:
        if group in ("authorization.k8s.io", "authentication.k8s.io"):
            continue
        for resource in rule["resources"]:
            name, slash, part = resource.partition("/")
            full = f"{name}.{group}" if group else name
            for only in rule.get("resourceNames") or [""]:
                yield f"{full}{slash}{part} {only}".strip()


def test_the_operator_writes_where_it_runs_and_reads_every_secret(installed):
    own = together(EVERYWHERE, WHERE_FLEETS_RUN, WHERE_IT_RUNS)
    assert rights(installed, NAMESPACE) == own
    assert rights(installed, "people") == together(EVERYWHERE, WHERE_SECRETS_ARE_READ)


def test_rights_can_be_narrowed_to_namespaces(installed):
    narrow = setting(rbac__fleetNamespaces=["ml"], rbac__secretNamespaces=["ops"])
    installed.helm("upgrade", *RELEASE, *narrow, *setting(defaultFleet__create=False))
    assert rights(installed, NAMESPACE) == together(EVERYWHERE, WHERE_IT_RUNS)
    assert rights(installed, "ml") == together(EVERYWHERE, WHERE_FLEETS_RUN)
    assert rights(installed, "ops") == together(EVERYWHERE, WHERE_SECRETS_ARE_READ)
    assert rights(installed, "people") == together(EVERYWHERE)


def test_rights_can_be_given_everywhere_or_not_at_all(installed):
    wide = setting(rbac__fleetNamespaces=["*"], rbac__secretNamespaces=[])
    installed.helm("upgrade", *RELEASE, *wide)
    assert rights(installed, "people") == together(EVERYWHERE, WHERE_FLEETS_RUN)
    installed.helm("upgrade", *RELEASE, *setting(rbac__create=False))
    assert rights(installed, NAMESPACE) == {}


def answer(cluster, *what):
    """`yes` or `no`, to a person of the group `people`."""
    who = ("--as=ann", "--as-group=people", "-n", "people")
    try:
        return cluster.kubectl("auth", "can-i", *what, *who).strip()
    except CommandFailed:  # with 1, as kubectl's "no" is
        return "no"


def test_editors_of_a_namespace_write_its_models_and_no_fleets(installed):
    binding = ("rolebinding", "editors", "--clusterrole=edit", "--group=people", "-n", "people")
    installed.kubectl("create", *binding)
    # The controller manager adds the rules to the cluster's own role.
    deadline = time.monotonic() + 30
    while answer(installed, "create", "models.shoal.dev") == "no":
        assert time.monotonic() < deadline
        time.sleep(0.1)
    assert answer(installed, "patch", "models.shoal.dev", "--subresource=scale") == "yes"
    assert answer(installed, "patch", "models.shoal.dev", "--subresource=status") == "no"
    assert answer(installed, "create", "fleets.shoal.dev") == "no"
