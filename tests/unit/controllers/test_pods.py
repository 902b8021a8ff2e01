"""A Fleet on a site that has pods: the objects that it owns, and the Secrets of its Models."""

import asyncio

import pytest
from fleet_pods import SITE

from shoal.api import Model, RayCluster, RayService, Reason, WorkerGroup
from shoal.api.rayservice import ServiceStatus
from shoal.cluster import Key
from shoal.cluster.memory import MemoryCluster
from shoal.controllers.fleet import RETRY, reconcile_fleet
from shoal.controllers.gather import SECRETS_AT_ONCE, gather_fleet, gather_model
from shoal.controllers.model import SECRET_AGAIN, reconcile_model
from shoal.errors import AccessDenied, WorldUnavailable
from shoal.testing import NOW, a_fleet, a_model, changed

FLEET = Key("Fleet", "", "default")
MODEL = a_model(source={"uri": "https://models.test/m", "secretName": "hub"})


class WithPods(MemoryCluster):
    """Its Fleets have pods. A namespace may keep its Secrets to itself, and some are `lost`."""

    def __init__(self):
        super().__init__()
        self.set_secret("ops", "hub", {"token": "dG9r"})
        self.lost = set()
        self.read = []
        self.at_once = self.most_at_once = 0

    def site(self, fleet):
        return SITE.model_copy(update={"namespace": "shoal-system"})

    async def secret(self, namespace, name):
        self.read.append((namespace, name))
        self.at_once += 1
        self.most_at_once = max(self.at_once, self.most_at_once)
        await asyncio.sleep(0)
        self.at_once -= 1
        if namespace == "private":
            raise AccessDenied("secrets is forbidden")
        if name in self.lost:
            raise WorldUnavailable("etcdserver: request timed out")
        return await super().secret(namespace, name)


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
        ("ops", "lost", Reason.SECRET_UNAVAILABLE),
    ],
)
async def test_what_is_found_of_a_secret_is_observed(cluster, namespace, secret, found):
    cluster.lost.add("lost")
    source = {"uri": "https://models.test/m", "secretName": secret}
    await cluster.apply(a_model("m", namespace, source=source))
    for observed in (
        await gather_fleet(cluster, "default"),
        (await gather_model(cluster, namespace, "m")).fleet,
    ):
        assert observed.secrets == {(namespace, secret): found}


def naming(name, secret, namespace="ops", **said):
    source = {"uri": "https://models.test/m", "secretName": secret}
    return a_model(name, namespace, source=source, **said)


async def test_only_the_secrets_of_those_who_may_be_served_are_read(cluster):
    await cluster.apply(a_fleet(allowed_namespaces={"matchLabels": {"kubernetes.io/x": "y"}}))
    cluster.set_namespace("ops", {"kubernetes.io/x": "y"})
    for model in (naming("a", "hub"), naming("b", "c", suspend=True), naming("d", "e", "other")):
        await cluster.apply(model)
        await gather_model(cluster, model.metadata.namespace, model.metadata.name)
    await gather_fleet(cluster, "default")
    assert set(cluster.read) == {("ops", "hub")}


async def test_many_secrets_are_read_some_at_once(cluster):
    for number in range(3 * SECRETS_AT_ONCE):
        await cluster.apply(naming(f"m-{number}", f"s-{number}"))
    await gather_fleet(cluster, "default")
    assert cluster.most_at_once == SECRETS_AT_ONCE


def credentials(cluster):
    return kept(cluster, "Secret")["default-credentials"]["data"]


async def test_a_secret_that_is_not_handed_out_is_one_models_misfortune(cluster):
    cluster.lost.add("lost")
    await cluster.apply(naming("a", "hub"))
    await cluster.apply(naming("b", "lost"))
    assert await reconcile_fleet(cluster, FLEET, NOW) == RETRY
    assert credentials(cluster) == {"ops.hub.token": "dG9r"}
    key = Key("Model", "ops", "b")
    assert await reconcile_model(cluster, key, NOW) == SECRET_AGAIN
    (accepted, *_) = (await cluster.get(Model, "ops", "b")).status.conditions
    assert accepted.reason is Reason.SECRET_UNAVAILABLE
    cluster.lost.clear()
    cluster.set_secret("ops", "lost", {"token": "eA=="})
    assert await reconcile_model(cluster, key, NOW) is None
    assert await reconcile_fleet(cluster, FLEET, NOW) is None
    assert credentials(cluster) == {"ops.hub.token": "dG9r", "ops.lost.token": "eA=="}


async def test_what_was_copied_is_kept_while_its_secret_is_not_handed_out(cluster):
    await cluster.apply(MODEL)
    await reconcile_fleet(cluster, FLEET, NOW)
    cluster.lost.add("hub")
    await reconcile_fleet(cluster, FLEET, NOW)
    assert credentials(cluster) == {"ops.hub.token": "dG9r"}


async def test_a_model_that_cannot_be_read_keeps_its_credentials(cluster):
    adapter = {"name": "pirate", "uri": "https://models.test/p", "secretName": "pirates"}
    cluster.set_secret("ops", "pirates", {"username": "dQ==", "password": "cA=="})
    cluster.set_secret("ops", "gone", {"token": "dG9r"})
    chat = {"task": "text-generation", "generation": {"adapters": [adapter]}}
    await cluster.apply(changed(MODEL, **chat))
    await cluster.apply(naming("other", "gone"))
    await reconcile_fleet(cluster, FLEET, NOW)
    before = credentials(cluster)
    assert len(before) == 4
    cluster.make_unreadable("ops", MODEL.metadata.name)
    await cluster.delete(Model, "ops", "other")
    await reconcile_fleet(cluster, FLEET, NOW)
    before.pop("ops.gone.token")
    assert credentials(cluster) == before
