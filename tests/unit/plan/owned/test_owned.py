"""What a Fleet owns beside its RayService."""

import base64
import json
from dataclasses import replace

import pytest
from fleet_pods import (
    CPU_POOL,
    GPU_POOL,
    SITE,
    a_head,
    a_pod,
    a_service,
    on_a_cluster,
    owned_of,
)

from shoal.api import Reason
from shoal.plan.owned.manifests import owned_manifests
from shoal.plan.ray_cluster.service import ray_service
from shoal.plan.serve_config import serve_config
from shoal.testing import NOW, a_model, changed

OPERATOR = {
    "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": SITE.operator_namespace}}
}
KUBERAY = {
    "namespaceSelector": {},
    "podSelector": {"matchLabels": {"app.kubernetes.io/component": "kuberay-operator"}},
}
ITS_OWN = {"podSelector": {"matchLabels": {"shoal.dev/fleet": "default"}}}


def one_of(kind, **said):
    (found,) = owned_of(on_a_cluster(**said), kind).values()
    return found


def peers_of(node_type, port, **network):
    """Who may come to a port, beside the Fleet's own pods; None is everybody."""
    policies = owned_of(on_a_cluster(network=network), "NetworkPolicy")
    ours, *rules = policies[f"default-{node_type}"]["spec"]["ingress"]
    assert ours == {"from": [ITS_OWN]}
    return [rule.get("from") for rule in rules if rule["ports"][0]["port"] == port]


def credentials_of(secrets, *models):
    observed = replace(on_a_cluster(models=models), secrets=secrets)
    return owned_of(observed, "Secret")["default-credentials"]["data"]


def with_secret(name="model", namespace="ops", secret="hub", **more):
    source = {"uri": "https://models.test/m", "secretName": secret}
    return a_model(name, namespace, source=source, **more)


def test_everything_is_the_fleets_and_goes_with_it():
    everything = on_a_cluster(
        pools=[{**CPU_POOL, "workers": {"min": 2, "max": 2}}],
        durability={"rocksDB": {}},
        network={"ingress": {"host": "m.test"}, "route": {"gateways": [{"name": "g"}]}},
    )
    written = owned_manifests(everything, "fresh")
    assert len(written) == 9
    for metadata in (one["metadata"] for one in written):
        (owner,) = metadata["ownerReferences"]
        assert (owner["kind"], owner["name"], owner["uid"]) == (
            "Fleet",
            "default",
            "uid-of-default",
        )
        assert metadata["namespace"] == "serving"
        assert metadata["labels"]["shoal.dev/fleet"] == "default"
        assert metadata["labels"]["app.kubernetes.io/managed-by"] == "shoal"


def test_the_ray_service_is_the_fleets_as_well():
    metadata = ray_service(on_a_cluster(), "{}").metadata
    assert metadata.labels["shoal.dev/fleet"] == "default"
    assert metadata.owner_references[0]["controller"]


def test_the_same_fleet_owns_the_same():
    observed = on_a_cluster(models=(with_secret(),))
    first, second = (json.dumps(owned_manifests(observed, "fresh")) for _ in range(2))
    assert first == second


def test_the_address_leads_to_the_workers_of_the_serving_ray_cluster():
    service = one_of("Service", service=a_service("abc"))
    assert service["metadata"]["name"] == "default"
    assert service["spec"]["selector"] == {"ray.io/cluster": "abc", "ray.io/node-type": "worker"}
    assert [port["port"] for port in service["spec"]["ports"]] == [8000]


def test_where_the_address_leads_is_remembered():
    remembered = ray_service(on_a_cluster(service=a_service("abc")), "{}").metadata.annotations
    assert remembered == {"shoal.dev/serving-cluster": "abc"}
    assert ray_service(on_a_cluster(), "{}").metadata.annotations == {}


def test_without_a_ray_cluster_the_address_has_no_endpoints():
    assert one_of("Service")["spec"]["selector"]["ray.io/cluster"] == "none"


def test_the_service_is_of_the_type_that_the_fleet_says():
    said = {"type": "LoadBalancer", "annotations": {"cloud.test/internal": "true"}}
    service = one_of("Service", network={"service": said})
    assert service["spec"]["type"] == "LoadBalancer"
    assert service["metadata"]["annotations"] == {"cloud.test/internal": "true"}


def test_the_token_is_made_once():
    token = owned_of(on_a_cluster(), "Secret")["default-token"]
    assert base64.b64decode(token["data"]["auth_token"]) == b"fresh"
    assert token["metadata"]["annotations"] == {"shoal.dev/create-only": "true"}


def test_what_sources_ask_for_is_copied_under_the_name_of_its_secret():
    found = {("ops", "hub"): {"token": "dG9r", "username": "dXNl", "notes": "bm8="}}
    data = credentials_of(found, with_secret())
    assert data == {"ops.hub.token": "dG9r", "ops.hub.username": "dXNl"}


def test_a_secret_that_several_models_name_is_copied_once():
    found = {("ops", "hub"): {"token": "dG9r"}}
    assert len(credentials_of(found, with_secret("a"), with_secret("b"))) == 1


def test_the_secrets_of_adapters_are_copied_too():
    adapter = {"name": "pirate", "uri": "https://models.test/p", "secretName": "pirates"}
    model = changed(a_model(), task="text-generation", generation={"adapters": [adapter]})
    found = {("ops", "pirates"): {"token": "dG9r"}}
    assert credentials_of(found, model) == {"ops.pirates.token": "dG9r"}


@pytest.mark.parametrize("why", [Reason.SECRET_NOT_FOUND, Reason.SECRET_FORBIDDEN])
def test_a_secret_that_cannot_be_read_is_left_out(why):
    found = {("ops", "hub"): why, ("ops", "other"): {"token": "dG9r"}}
    data = credentials_of(found, with_secret(), with_secret("b", secret="other"))
    assert data == {"ops.other.token": "dG9r"}


def test_a_value_that_is_too_large_is_left_out():
    found = {("ops", "hub"): {"token": "A" * 21848, "username": "A" * 21844}}
    assert credentials_of(found, with_secret()) == {}
    config = json.dumps(serve_config(on_a_cluster(models=(with_secret(),)), NOW))
    served = a_service(serveConfigV2=config)
    observed = replace(on_a_cluster(models=(with_secret(),), service=served), secrets=found)
    data = owned_of(observed, "Secret")["default-credentials"]["data"]
    assert list(data) == ["ops.hub.username"]


def test_a_model_that_is_not_served_has_its_credentials_removed():
    found = {("ops", "hub"): {"token": "dG9r"}}
    assert credentials_of(found, with_secret(suspend=True)) == {}
    assert credentials_of(found) == {}


def test_everybody_may_ask_where_the_fleet_says_nothing():
    assert peers_of("workers", 8000) == [None]


def test_whom_the_fleet_allows_may_ask_and_the_operator():
    allowed = [
        {"podSelector": {"matchLabels": {"app": "web"}}},
        {"ipBlock": {"cidr": "10.0.0.0/8", "except": ["10.1.0.0/16"]}},
        {"namespaceSelector": {}},
    ]
    assert peers_of("workers", 8000, allowFrom=allowed) == [[*allowed, OPERATOR]]
    assert peers_of("workers", 8000, allowFrom=[]) == [[OPERATOR]]


def test_only_the_operator_reads_the_ledger_at_the_head():
    assert peers_of("head", 8000) == [[OPERATOR]]


def test_the_dashboard_is_for_kuberay_and_the_operator():
    assert peers_of("head", 8265) == [[KUBERAY, OPERATOR]]
    assert peers_of("workers", 8265) == []


def test_nobody_else_reaches_the_gcs_the_agents_or_haproxy():
    for port in (6379, 10001, 52365, 9101, 8404):
        assert peers_of("head", port) == []
        assert peers_of("workers", port) == []


def test_metrics_are_for_the_operators_namespace():
    for node_type in ("head", "workers"):
        assert peers_of(node_type, 8080) == [[OPERATOR]]


def test_pods_may_go_where_they_like():
    for policy in owned_of(on_a_cluster(), "NetworkPolicy").values():
        assert policy["spec"]["policyTypes"] == ["Ingress"]


def budgets_of(*least, pods=(), **spec):
    bounds = [{"min": fewest, "max": 9} for fewest in least]
    pools = [{"name": f"p{at}", "workers": workers} for at, workers in enumerate(bounds)]
    budgets = owned_of(on_a_cluster(pools=pools, pods=pods, **spec), "PodDisruptionBudget")
    return {name: one["spec"]["minAvailable"] for name, one in budgets.items()}


def test_workers_are_drained_one_at_a_time():
    assert budgets_of(3, 1) == {"default-workers": 3}
    assert budgets_of(2) == {"default-workers": 1}


def test_workers_beyond_the_fewest_are_drained_one_at_a_time_too():
    starts, waits = a_pod("a", ready=False), a_pod("a", ready=False)
    waits = waits.model_copy(update={"problem": "Unschedulable: 0/3 nodes are available"})
    pods = (a_head("a"), *[a_pod("a")] * 7, starts, waits)
    assert budgets_of(2, pods=pods) == {"default-workers": 7}
    assert budgets_of(1, pods=(a_head("a"), a_pod("a"))) == {}


@pytest.mark.parametrize("spec", [{}, {"durability": {"rocksDB": {}}}])
def test_nothing_holds_up_a_drain_for_ever(spec):
    assert budgets_of(1, **spec) == {}


def test_a_volume_is_claimed_for_rocksdb_alone():
    assert owned_of(on_a_cluster(), "PersistentVolumeClaim") == {}
    claim = one_of(
        "PersistentVolumeClaim",
        durability={"rocksDB": {"storageClassName": "fast", "size": "2Gi"}},
    )
    assert claim["metadata"]["name"] == "default-gcs"
    assert claim["spec"] == {
        "accessModes": ["ReadWriteOnce"],
        "resources": {"requests": {"storage": "2Gi"}},
        "storageClassName": "fast",
    }


def test_an_ingress_is_made_where_it_is_asked_for():
    said = {"host": "m.test", "className": "nginx", "tlsSecretName": "tls"}
    ingress = one_of("Ingress", network={"ingress": said})["spec"]
    assert ingress["ingressClassName"] == "nginx"
    assert ingress["tls"] == [{"hosts": ["m.test"], "secretName": "tls"}]
    (path,) = ingress["rules"][0]["http"]["paths"]
    assert path["backend"] == {"service": {"name": "default", "port": {"number": 8000}}}


def test_a_route_lets_answers_take_their_time():
    said = {"gateways": [{"name": "edge", "namespace": "infra"}], "hostnames": ["m.test"]}
    route = one_of("HTTPRoute", network={"route": said})["spec"]
    assert route["parentRefs"] == [{"name": "edge", "namespace": "infra"}]
    assert route["hostnames"] == ["m.test"]
    assert route["rules"][0]["timeouts"] == {"request": "0s"}


def test_more_pools_are_more_workers_of_the_same_objects():
    one, two = (
        [(o["kind"], o["metadata"]["name"]) for o in owned_manifests(on_a_cluster(pools=p), "t")]
        for p in ([CPU_POOL], [CPU_POOL, GPU_POOL])
    )
    assert one == two
