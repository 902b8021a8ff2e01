"""A Fleet on a site that has pods: the objects that it owns, and the Secrets of its Models."""

import pytest
from fleet_pods import SITE

from shoal.api import RayCluster, RayService, Reason, WorkerGroup
from shoal.api.rayservice import ServiceStatus
from shoal.cluster import Key
from shoal.cluster.memory import MemoryCluster
from shoal.controllers.fleet import reconcile_fleet
from shoal.controllers.gather import gather_fleet, gather_model
from shoal.errors import AccessDenied
from shoal.testing import NOW, a_fleet, a_model

FLEET = Key("Fleet", "", "default")
MODEL = a_model(source={"uri": "https://models.test/m", "secretName": "hub"})


class WithPods(MemoryCluster):
    """Its Fleets have pods. A namespace may keep its Secrets to itself, others have one each."""

    def site(self, fleet):
        return SITE.model_copy(update={"namespace": "shoal-system"})

    async def secret(self, namespace, name):
        if namespace == "private":
            raise AccessDenied("secrets is forbidden")
        return {"token": "dG9r"} if name == "hub" else None


@pytest.fixture
async def cluster():
    cluster = WithPods()
    await cluster.apply(a_fleet())
    return cluster


def kept(cluster, kind):
    return {o["metadata"]["name"]: o for o in cluster.kept["default"] if o["kind"] == kind}


async def test_a_fleet_keeps_what_it_owns(cluster):
    await cluster.apply(MODEL)
    await reconcile_fleet(cluster, FLEET, NOW)
    data = kept(cluster, "Secret")["default-credentials"]["data"]
    assert data == {"ops.hub.token": "dG9r"}


async def test_its_token_is_random_and_stays(cluster):
    await reconcile_fleet(cluster, FLEET, NOW)
    first = kept(cluster, "Secret")["default-token"]["data"]
    cluster.writes.clear()
    await reconcile_fleet(cluster, FLEET, NOW)
    assert kept(cluster, "Secret")["default-token"]["data"] == first
    assert not cluster.writes


async def test_a_fleets_ray_cluster_gets_the_sizes_of_its_pools_once(cluster):
    await cluster.apply(a_fleet(pools=[{"name": "cpu", "workers": {"min": 2, "max": 5}}]))
    await reconcile_fleet(cluster, FLEET, NOW)
    service = await cluster.get(RayService, "shoal-system", "default")
    active = {"active_service_status": ServiceStatus(ray_cluster_name="default-abcde")}
    status = service.status.model_copy(update=active)
    await cluster.report(service.model_copy(update={"status": status}))
    small = WorkerGroup(name="cpu", min=1, max=3, replicas=1)
    ray_cluster = RayCluster(namespace="shoal-system", name="default-abcde", groups=(small,))
    cluster.set_ray_clusters("default", ray_cluster)
    for _ in range(2):
        await reconcile_fleet(cluster, FLEET, NOW)
    (now,) = await cluster.ray_clusters(a_fleet())
    assert now.groups == (WorkerGroup(name="cpu", min=2, max=5, replicas=2),)
    assert cluster.writes["resize"] == 1


async def test_a_fleet_on_a_laptop_keeps_nothing():
    laptop = MemoryCluster()
    await laptop.apply(a_fleet())
    await reconcile_fleet(laptop, FLEET, NOW)
    assert laptop.kept == {}


@pytest.mark.parametrize(
    ("namespace", "secret", "found"),
    [
        ("ops", "hub", {"token": "dG9r"}),
        ("ops", "no-such", Reason.SECRET_NOT_FOUND),
        ("private", "hub", Reason.SECRET_FORBIDDEN),
    ],
)
async def test_what_is_found_of_a_secret_is_observed(cluster, namespace, secret, found):
    source = {"uri": "https://models.test/m", "secretName": secret}
    await cluster.apply(a_model("m", namespace, source=source))
    for observed in (
        await gather_fleet(cluster, "default"),
        (await gather_model(cluster, namespace, "m")).fleet,
    ):
        assert observed.secrets == {(namespace, secret): found}
