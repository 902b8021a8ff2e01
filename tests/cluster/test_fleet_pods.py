"""What a Fleet becomes, on a real API server and by KubeRay's own hand.

There is no node: the pods are made and admitted, and then wait.
"""

import json
from contextlib import contextmanager
from dataclasses import replace

import pytest
from fleet_pods import CPU_POOL, GPU_POOL, SITE, on_a_cluster
from kube_world import watched
from machine.commands import CommandFailed
from testcluster.binaries import binary
from testcluster.control_plane import ALL_RAY, ControlPlane
from testcluster.daemons import Daemon
from waiting import eventually

from shoal.api import RayService
from shoal.plan.owned.manifests import owned_manifests
from shoal.plan.ray_cluster.service import ray_service
from shoal.plan.resizing import resizings
from shoal.testing import a_model

pytestmark = pytest.mark.kubernetes_api

EVERYTHING = {
    "pools": [{**CPU_POOL, "workers": {"min": 2, "max": 3}}, GPU_POOL],
    "durability": {"rocksDB": {"storageClassName": "fast"}},
    "ray": {"imagePullSecrets": ["registry"]},
    "network": {
        "allowFrom": [
            {"namespaceSelector": {}},
            {"ipBlock": {"cidr": "10.0.0.0/8", "except": ["10.1.0.0/16"]}},
            {"podSelector": {"matchExpressions": [{"key": "app", "operator": "Exists"}]}},
        ],
        "service": {"type": "NodePort", "annotations": {"team": "ops"}},
        "ingress": {"host": "models.test", "className": "nginx", "tlsSecretName": "tls"},
    },
}


@pytest.fixture(scope="module")
def cluster():
    """An API server with KubeRay's resources and a namespace of restricted Pod Security."""
    with ControlPlane() as running:
        running.install_kuberay_crds(ALL_RAY)
        labels = {"pod-security.kubernetes.io/enforce": "restricted"}
        metadata = {"name": SITE.namespace, "labels": labels}
        running.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": metadata})
        yield running


@pytest.fixture(scope="module")
def kuberay(cluster):
    """KubeRay's operator at work."""
    ports = ("--metrics-addr", "0", "--health-probe-bind-address", "0")
    flags = ("--kubeconfig", str(cluster.kubeconfig), "--enable-leader-election=false", *ports)
    daemon = Daemon(cluster.state, "kuberay-operator", (str(binary("kuberay-operator")), *flags))
    daemon.start()
    yield daemon
    daemon.kill()


@pytest.fixture(scope="module")
def everything(cluster, kuberay):
    """The pods of a Fleet that asks for everything: the head's and a worker's."""
    with served(cluster, "everything", **EVERYTHING):
        yield pods(cluster, "everything", "head")[0], pods(cluster, "everything", "worker")[0]


def as_manifest(service):
    written = service.model_dump(mode="json", exclude_none=True)
    said = service.metadata.model_dump(mode="json", include={"name", "labels", "annotations"})
    return {
        "apiVersion": "ray.io/v1",
        "kind": "RayService",
        "metadata": {**said, "namespace": SITE.namespace},
        "spec": written["spec"],
    }


def apply(cluster, *manifests):
    """As the operator applies, with an eye on every unknown field."""
    listed = {"apiVersion": "v1", "kind": "List", "items": list(manifests)}
    strictly = ("--validate=strict", "--field-manager=shoal")
    said = ("apply", "--server-side", "--force-conflicts", *strictly, "-f", "-")
    return cluster.kubectl(*said, stdin=json.dumps(listed))


@contextmanager
def served(cluster, name, **spec):
    """A Fleet of that name, of which KubeRay has made a Ray cluster."""
    apply(cluster, as_manifest(ray_service(on_a_cluster(name, **spec), "{}")))
    try:
        for node_type in ("head", "worker"):
            eventually(lambda kind=node_type: pods(cluster, name, kind))
        yield
    finally:
        cluster.kubectl("delete", "rayservice", name, "-n", SITE.namespace, "--wait=false")


def listed(cluster, kind, *args):
    return cluster.get(kind, "-n", SITE.namespace, *args)["items"]


def pods(cluster, fleet, node_type):
    labels = f"ray.io/node-type={node_type},shoal.dev/fleet={fleet}"
    return listed(cluster, "pods", "-l", labels)


def ray_clusters(cluster, fleet):
    found = listed(cluster, "rayclusters", "-l", f"ray.io/originated-from-cr-name={fleet}")
    return [one["metadata"]["name"] for one in found]


def test_the_api_server_knows_every_field_of_the_ray_service(cluster):
    redis = {"durability": {"redis": {"address": "r:6379", "secretName": "p"}}}
    for spec in (EVERYTHING, redis):
        service = ray_service(on_a_cluster("alone", **spec), "{}")
        assert "serverside-applied" in apply(cluster, as_manifest(service))
    cluster.kubectl("delete", "rayservice", "alone", "-n", SITE.namespace)


def test_the_api_server_knows_every_field_of_what_a_fleet_owns(cluster):
    observed = on_a_cluster("owner", models=(a_model(),), **EVERYTHING)
    said = apply(cluster, *owned_manifests(observed, "token"))
    assert said.count("serverside-applied") == 8


def test_a_restricted_namespace_admits_every_pod_that_kuberay_makes(everything):
    head, worker = everything
    names = [one["name"] for one in head["spec"]["containers"]]
    assert names == ["ray-head", "autoscaler"]
    names = [one["name"] for one in worker["spec"]["initContainers"]]
    assert names == ["wait-gcs-ready"]


def test_only_the_autoscaler_holds_a_token_of_the_api_server(everything):
    found = {
        container["name"]
        for pod in everything
        for container in pod["spec"]["containers"] + pod["spec"].get("initContainers", [])
        for mount in container["volumeMounts"]
        if mount["mountPath"].startswith("/var/run/secrets/kubernetes.io")
    }
    assert found == {"autoscaler"}


def test_kuberay_starts_ray_as_it_is_told(everything):
    container = everything[1]["spec"]["containers"][0]
    (said,) = container["args"]
    assert """--resources='{"shoal_pool_cpu": 1000000}'""" in said
    assert "--num-cpus=2" in said
    assert "--include-log-monitor=0" in said
    assert container["readinessProbe"]["httpGet"]["path"] == "/-/healthz"


def test_the_address_of_a_head_stays(cluster, everything):
    labels = everything[0]["metadata"]["labels"]
    name = f"ray.io/node-type=head,ray.io/cluster={labels['ray.io/cluster']}"
    (service,) = listed(cluster, "services", "-l", name)
    assert service["spec"]["clusterIP"] != "None"
    assert service["spec"]["publishNotReadyAddresses"]


def test_another_pool_at_the_end_joins_the_ray_cluster(cluster, kuberay):
    with served(cluster, "growing"):
        before = ray_clusters(cluster, "growing")
        both = [CPU_POOL, GPU_POOL | {"workers": {"min": 1}}]
        apply(cluster, as_manifest(ray_service(on_a_cluster("growing", pools=both), "{}")))
        eventually(lambda: len(pods(cluster, "growing", "worker")) == 2)
        assert ray_clusters(cluster, "growing") == before


async def test_other_sizes_of_a_pool_reach_the_ray_cluster_that_is_there(cluster, kuberay):
    with served(cluster, "resized"):
        (before,) = ray_clusters(cluster, "resized")
        pool = {**CPU_POOL, "workers": {"min": 3, "max": 6}}
        larger = on_a_cluster("resized", pools=[pool])
        apply(cluster, as_manifest(ray_service(larger, "{}")))
        async with watched(cluster.kubeconfig) as world:
            await world.until(lambda: resize(world.cluster, larger))
        eventually(lambda: len(pods(cluster, "resized", "worker")) == 3)
        assert ray_clusters(cluster, "resized") == [before]
        (one,) = listed(cluster, "rayclusters", "-l", "shoal.dev/fleet=resized")
        (group,) = one["spec"]["workerGroupSpecs"]
        assert (group["minReplicas"], group["maxReplicas"], group["replicas"]) == (3, 6, 3)


async def resize(kube, observed):
    """As the operator resizes; whether there was anything to do."""
    name = observed.fleet.metadata.name
    observed = replace(
        observed,
        ray_service=await kube.get(RayService, SITE.namespace, name),
        ray_clusters=await kube.ray_clusters(observed.fleet),
    )
    found = [*resizings(observed)]
    for ray_cluster, groups in found:
        await kube.resize(ray_cluster, groups)
    return found


def test_another_image_is_another_ray_cluster(cluster, kuberay):
    with served(cluster, "upgraded"):
        before = set(ray_clusters(cluster, "upgraded"))
        changed = on_a_cluster("upgraded", ray={"image": "registry.test/other:2"})
        apply(cluster, as_manifest(ray_service(changed, "{}")))
        eventually(lambda: set(ray_clusters(cluster, "upgraded")) > before)


def test_a_template_that_is_none_is_refused_with_a_sentence(cluster):
    bad = {**CPU_POOL, "template": {"spec": {"tolerations": "all"}}}
    with pytest.raises(CommandFailed, match="tolerations"):
        apply(cluster, as_manifest(ray_service(on_a_cluster("bad", pools=[bad]), "{}")))
