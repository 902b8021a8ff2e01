"""What running Fleets say: reached through their own Service, and the head of its Ray cluster."""

import base64
import contextlib

import pytest
from fleet_stand_in import Fleets
from kube_world import FAST, SYSTEM, a_fleet, watched

from shoal.cluster.kube import KubeCluster, connect
from shoal.testing import a_ledger, a_model, a_replica

MODEL = "ops/it"
LOADING = a_ledger({MODEL: [a_replica(a_model(), "Loading")]})
READY = a_ledger({MODEL: [a_replica(a_model())]})


@pytest.fixture
async def fleets(monkeypatch):
    """The Fleets of a cluster that this process is not in."""
    async with Fleets() as stand_in:
        monkeypatch.setenv("http_proxy", stand_in.address)
        yield stand_in


@pytest.fixture
async def around(fleets, server):
    async with watched(server.kubeconfig) as world:
        yield world


def running(name: str, ray_cluster: str, token: str = "sesame"):
    """A Fleet, its Service, and its token."""
    meta = {"namespace": SYSTEM, "labels": {"shoal.dev/fleet": name}}
    spec = {"selector": {"ray.io/cluster": ray_cluster}, "ports": [{"port": 8000}]}
    service = {"apiVersion": "v1", "kind": "Service", "metadata": {**meta, "name": name}}
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {**meta, "name": f"{name}-token"}}
    data = {"auth_token": base64.b64encode(token.encode()).decode()}
    return a_fleet(name), {**service, "spec": spec}, {**secret, "data": data}


def head(ray_cluster: str) -> str:
    return f"{ray_cluster}-head-svc.{SYSTEM}.svc"


async def test_a_fleet_is_reachable_once_its_own_address_answers(around, fleets, server, name):
    server.apply(a_fleet(name))
    fleet = await around.fleet(name)
    assert around.cluster.site(fleet).address == f"http://{name}.{SYSTEM}.svc:8000"
    assert not await around.cluster.reachable(name)
    around.keys.clear()
    fleets.healthy.add(f"{name}.{SYSTEM}.svc")
    await around.until(lambda: around.cluster.reachable(name))
    await around.told("Fleet", "", name)


async def test_nothing_is_given_out_before_every_fleet_was_asked(fleets, server, name):
    server.apply(*running(name, name))
    fleets.healthy.add(f"{name}.{SYSTEM}.svc")
    fleets.say(head(name), "sesame", READY)
    async with connect(server.kubeconfig) as api:
        cluster = KubeCluster(api, namespace=SYSTEM, serving_image="serving:1", pace=FAST)
        async with contextlib.aclosing(cluster.watch()) as keys:
            await anext(keys)
            assert await cluster.reachable(name)
            assert await cluster.ledger(name) == READY


async def test_the_ledger_is_read_on_the_head_that_the_service_points_to(
    around, fleets, server, name
):
    server.apply(*running(name, f"{name}-a"))
    fleets.say(head(f"{name}-a"), "sesame", READY)
    fleets.say(head(f"{name}-b"), "sesame", LOADING)
    assert (await around.until(lambda: around.cluster.ledger(name))) == READY
    server.apply(running(name, f"{name}-b")[1])

    async def other():
        return await around.cluster.ledger(name) == LOADING

    await around.until(other)


async def test_a_model_of_which_the_ledger_tells_something_new_is_told(
    around, fleets, server, name
):
    server.apply(*running(name, name))
    fleets.say(head(name), "sesame", LOADING)
    await around.until(lambda: around.cluster.ledger(name))
    around.keys.clear()
    fleets.say(head(name), "sesame", READY)
    await around.told("Model", "ops", "it")


async def test_a_silent_ledger_is_no_ledger(around, fleets, server, name):
    server.apply(*running(name, name))
    fleets.say(head(name), "sesame", READY)
    await around.until(lambda: around.cluster.ledger(name))
    around.keys.clear()
    fleets.say(head(name), "sesame", None)

    async def silent():
        return await around.cluster.ledger(name) is None

    await around.until(silent)
    await around.told("Fleet", "", name)


async def test_a_token_that_was_changed_is_read_again(around, fleets, server, name):
    server.apply(*running(name, name, token="old"))
    fleets.say(head(name), "new", READY)
    await around.until(lambda: any(head(name) in url for url in fleets.asked))
    assert await around.cluster.ledger(name) is None
    server.apply(running(name, name, token="new")[2])
    assert await around.until(lambda: around.cluster.ledger(name))


async def test_a_fleet_that_is_gone_is_asked_no_more(around, fleets, server, name):
    server.apply(*running(name, name))
    fleets.healthy.add(f"{name}.{SYSTEM}.svc")
    await around.until(lambda: around.cluster.reachable(name))
    server.kubectl("delete", "fleet", name)

    async def gone():
        return not await around.cluster.reachable(name)

    await around.until(gone)


async def test_a_watch_that_is_begun_anew_follows_them_anew(fleets, server, name):
    server.apply(*running(name, name))
    fleets.healthy.add(f"{name}.{SYSTEM}.svc")
    fleets.say(head(name), "sesame", READY)
    async with watched(server.kubeconfig) as world:
        await world.until(lambda: world.cluster.ledger(name))
        await world.watch_anew()
        assert await world.cluster.ledger(name) is None
        await world.until(lambda: world.cluster.ledger(name))
        await world.until(lambda: world.cluster.reachable(name))
        await world.told("Fleet", "", name)


async def test_an_address_answers_with_200_only(around, fleets):
    fleets.healthy.add("there.svc")
    assert await around.cluster.answers("http://there.svc:8000/ops/it/v2/health/ready")
    assert not await around.cluster.answers("http://elsewhere.svc:8000/ops/it/v2/health/ready")


async def test_pods_of_a_fleet_tell_why_they_do_not_run(around, server, name):
    server.apply(a_fleet(name))
    fleet = await around.fleet(name)
    server.apply(a_pod(name))
    around.keys.clear()
    waiting = {"waiting": {"reason": "ImagePullBackOff", "message": "no such image"}}
    container = {"name": "ray", "state": waiting, "ready": False, "restartCount": 0}
    status = {"containerStatuses": [{**container, "image": "x", "imageID": ""}]}
    path = f"/api/v1/namespaces/{SYSTEM}/pods/{name}/status"
    pod = server.get("pod", name, "-n", SYSTEM)
    assert server.request("PUT", path, {**pod, "status": status})[0] == 200

    async def with_a_problem():
        return [pod for pod in await around.cluster.pods(fleet) if pod.problem]

    (found,) = await around.until(with_a_problem)
    await around.told("Fleet", "", name)
    assert (found.name, found.group, found.gpus, found.ready) == (name, "l4", 2, False)
    assert found.problem == "ImagePullBackOff: no such image"


def a_pod(name: str):
    labels = {"shoal.dev/fleet": name, "ray.io/cluster": f"{name}-a", "ray.io/group": "l4"}
    gpus = {"limits": {"nvidia.com/gpu": "2"}}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": SYSTEM, "labels": labels},
        "spec": {"containers": [{"name": "ray", "image": "x", "resources": gpus}]},
    }
