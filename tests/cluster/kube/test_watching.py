"""What is known stays true, whatever happens to the connections."""

import asyncio
import json

import pytest
from kube_world import FAST, a_fleet, a_model, namespace, watched
from meddler import lists, watches

from shoal.api import Fleet, Model, RayService
from shoal.cluster import Key
from shoal.errors import KindMissing, WorldUnavailable

POD = {"spec": {"containers": [{"name": "ray-head", "image": "serving:1"}]}}
A_RAY_SERVICE = {
    "metadata": {"name": "it", "namespace": "default"},
    "spec": {"rayClusterConfig": {"headGroupSpec": {"rayStartParams": {}, "template": POD}}},
}


async def test_it_begins_with_every_key_and_goes_on_with_changes(server, name, place):
    server.apply(a_fleet(name), a_model("first", place))
    async with watched(server.kubeconfig) as world:
        first = {Key("Fleet", "", name), Key("Model", place, "first")}
        await world.until(lambda: first <= set(world.keys))
        server.apply(a_model("second", place))
        await world.told("Model", place, "second")
        assert [m.metadata.name for m in await world.cluster.list(Model, place)] == [
            "first",
            "second",
        ]


async def test_reading_costs_no_call(world, server, name, place):
    server.apply(a_fleet(name), a_model("it", place))
    await world.model(place, "it")
    await world.fleet(name)
    listed = ("models.shoal.dev", "nodes", "namespaces")
    before = [world.calls["list", resource] for resource in listed]
    for _ in range(50):
        await world.cluster.list(Model)
        await world.cluster.nodes()
        await world.cluster.namespace_labels(place)
    assert [world.calls["list", resource] for resource in listed] == before
    assert "get" not in {verb for verb, _ in world.calls}


async def test_more_than_a_page_is_listed_whole(server, name, place, monkeypatch):
    monkeypatch.setattr("shoal.cluster.kube.informer.PAGE", 2)
    server.apply(*(a_model(f"m{at}", place) for at in range(5)))
    async with watched(server.kubeconfig) as world:
        await world.told("Model", place, "m4")
        assert len(await world.cluster.list(Model, place)) == 5
        assert world.calls["list", "models.shoal.dev"] >= 3


async def test_what_is_deleted_is_gone(world, server, place):
    server.apply(a_model("it", place))
    await world.model(place, "it")
    world.keys.clear()
    server.kubectl("delete", "model", "it", "-n", place)
    await world.told("Model", place, "it")
    assert await world.cluster.get(Model, place, "it") is None


async def test_a_dropped_watch_is_taken_up_where_it_was(meddled, meddler, server, place):
    server.apply(a_model("before", place))
    await meddled.model(place, "before")
    listed = meddled.calls["list", "models.shoal.dev"]
    meddler.cut()
    server.apply(a_model("after", place))
    await meddled.model(place, "after")
    assert meddled.calls["list", "models.shoal.dev"] == listed


async def test_a_silent_watch_is_given_up(meddled, meddler, server, place):
    server.apply(a_model("before", place))
    await meddled.model(place, "before")
    meddler.hang()
    server.apply(a_model("after", place))
    await meddled.model(place, "after")


async def test_a_forgotten_past_begins_with_a_list(meddled, meddler, server, place):
    server.apply(a_model("before", place))
    await meddled.model(place, "before")
    listed = meddled.calls["list", "models.shoal.dev"]
    meddler.refuse(410, match=watches("models"), message="too old resource version")
    meddler.cut()
    await meddled.until(lambda: not meddler.refusals_left())
    server.apply(a_model("after", place))
    await meddled.model(place, "after")
    assert meddled.calls["list", "models.shoal.dev"] > listed


async def test_a_past_that_is_forgotten_in_the_middle_of_a_watch_is_too(
    meddled, meddler, server, place
):
    server.apply(a_model("before", place))
    await meddled.model(place, "before")
    listed = meddled.calls["list", "models.shoal.dev"]
    status = {"kind": "Status", "code": 410, "reason": "Expired", "message": "too old"}
    event = json.dumps({"type": "ERROR", "object": status}).encode() + b"\n"
    meddler.refuse(200, match=watches("models"), body=event)
    meddler.cut()
    await meddled.until(lambda: not meddler.refusals_left())
    server.apply(a_model("after", place))
    await meddled.model(place, "after")
    assert meddled.calls["list", "models.shoal.dev"] > listed


async def test_what_went_while_nobody_looked_is_gone(meddled, meddler, server, place):
    server.apply(a_model("it", place))
    await meddled.model(place, "it")
    meddler.refuse(503, 1000, match=watches("models"))
    meddler.cut()
    server.kubectl("delete", "model", "it", "-n", place)
    meddler.relent()
    meddler.refuse(410, match=watches("models"))

    async def gone():
        return await meddled.cluster.get(Model, place, "it") is None

    await meddled.until(gone)
    assert Key("Model", place, "it") in meddled.keys


async def test_a_busy_server_is_asked_again(meddler, server, place, tmp_path):
    server.apply(a_model("it", place))
    meddler.refuse(429, 2, match=lists("models"), headers={"Retry-After": "1"})
    meddler.refuse(500, 2, match=watches("models"))
    began = asyncio.get_running_loop().time()
    async with watched(meddler.kubeconfig(tmp_path)) as world:
        await world.told("Model", place, "it")
        assert asyncio.get_running_loop().time() - began >= 2
        await world.until(lambda: not meddler.refusals_left())
        server.apply(a_model("after", place))
        await world.model(place, "after")


async def test_a_server_that_ends_every_watch_at_once_is_not_hurried(meddled, meddler):
    before = meddled.calls["watch", "models.shoal.dev"]
    meddler.refuse(200, 1000, match=watches("models"))
    meddler.cut()
    await asyncio.sleep(1)
    assert meddled.calls["watch", "models.shoal.dev"] - before <= 1 / FAST.first + 2


async def test_namespaces_are_known_by_their_labels(world, server, name):
    server.apply(namespace(name, team="blue"), a_model("it", name))

    async def labels():
        return (await world.cluster.namespace_labels(name)).get("team")

    assert await world.until(labels) == "blue"
    await world.model(name, "it")
    world.keys.clear()
    server.kubectl("label", "namespace", name, "team=red", "--overwrite")
    await world.told("Model", name, "it")
    assert await labels() == "red"
    assert await world.cluster.namespace_labels("nowhere") == {}


async def test_nodes_are_known_and_concern_every_fleet(world, server, name):
    server.apply(a_fleet(name))
    await world.fleet(name)
    world.keys.clear()
    labels = {"nvidia.com/gpu.product": "NVIDIA-L4"}
    server.apply({"apiVersion": "v1", "kind": "Node", "metadata": {"name": name, "labels": labels}})

    async def there():
        return [node for node in await world.cluster.nodes() if node.name == name]

    found = await world.until(there)
    await world.told("Fleet", "", name)
    assert found[0].labels["nvidia.com/gpu.product"] == "NVIDIA-L4"


async def test_before_the_first_look_nothing_is_said(server, place):
    server.apply(a_model("it", place))
    async with watched(server.kubeconfig) as world:
        with pytest.raises(WorldUnavailable, match="not looked at yet"):
            await world.cluster.list(Model)
        await world.model(place, "it")


@pytest.mark.timeout(180)
async def test_it_lives_through_a_restart_of_the_server(fresh_control_plane):
    fresh_control_plane.install_shoal_crds()
    fresh_control_plane.apply(a_model("before", "default"))
    async with watched(fresh_control_plane.kubeconfig) as world:
        await world.model("default", "before")
        fresh_control_plane.kill_api_server()
        await world.until(lambda: world.codes[0] > 5)
        assert await world.cluster.get(Model, "default", "before")
        await asyncio.to_thread(fresh_control_plane.start_api_server)
        fresh_control_plane.apply(a_model("after", "default"))
        await world.model("default", "after")


@pytest.mark.timeout(180)
async def test_a_server_that_says_nothing_is_given_up_and_found_again(fresh_control_plane):
    fresh_control_plane.install_shoal_crds()
    async with watched(fresh_control_plane.kubeconfig) as world:
        await world.until(lambda: world.calls["watch", "models.shoal.dev"])
        fresh_control_plane.pause_api_server()
        began = world.calls["watch", "models.shoal.dev"]
        await world.until(lambda: world.calls["watch", "models.shoal.dev"] > began + 1, 30)
        fresh_control_plane.resume_api_server()
        fresh_control_plane.apply(a_model("after", "default"))
        await world.model("default", "after")


@pytest.mark.timeout(180)
async def test_a_kind_may_come_later(fresh_control_plane, caplog):
    fresh_control_plane.install_shoal_crds()
    fresh_control_plane.apply(a_fleet("it"))
    async with watched(fresh_control_plane.kubeconfig) as world:
        fleet = await world.fleet("it")
        service = RayService.model_validate(A_RAY_SERVICE)
        assert await world.cluster.get(RayService, "default", "it") is None
        with pytest.raises(KindMissing, match="install KubeRay"):
            await world.cluster.apply(service)
        await world.until(lambda: world.calls["list", "rayservices.ray.io"] > 3)
        assert caplog.text.count("rayservices.ray.io cannot be looked at") == 1
        world.keys.clear()
        fresh_control_plane.install_kuberay_crds()
        await world.told("Fleet", "", "it")
        assert (await world.cluster.apply(service)).metadata.uid
        assert await world.cluster.get(Fleet, "", "it") == fleet


@pytest.mark.timeout(180)
async def test_a_kind_that_goes_takes_nothing_else_with_it(fresh_control_plane):
    fresh_control_plane.install_shoal_crds()
    fresh_control_plane.apply(a_fleet("it"), a_model("it", "default"))
    async with watched(fresh_control_plane.kubeconfig) as world:
        await world.fleet("it")
        fresh_control_plane.kubectl("delete", "crd", "models.shoal.dev")

        async def refused():
            try:
                await world.cluster.list(Model)
            except KindMissing:
                return True
            return False

        await world.until(refused, seconds=30)
        assert await world.cluster.get(Fleet, "", "it")
