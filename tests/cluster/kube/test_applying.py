"""Writes: none where nothing differs, and what others changed is put right.

What is known may be of a moment ago. So it is put right again until it is, as a reconcile would.
"""

import pytest
from kube_world import SYSTEM, a_fleet, namespace, watched

from shoal.api import Fleet, RayService
from shoal.cluster import Key
from shoal.cluster.kube.answers import Refused
from shoal.errors import KindMissing, WorldUnavailable
from shoal.plan.owned.names import labels_of, owner_of

POD = {
    "spec": {
        "containers": [
            # Neither is how an API server would write it.
            {"name": "ray-head", "image": "serving:1", "resources": {"limits": {"cpu": "1000m"}}}
        ]
    }
}


@pytest.fixture
async def fleet(world, server, name):
    server.apply(a_fleet(name))
    return await world.fleet(name)


def a_ray_service(fleet: Fleet, config: str = "{}", **more) -> RayService:
    cluster = {"headGroupSpec": {"rayStartParams": {}, "template": POD}}
    return RayService.model_validate(
        {
            "metadata": {"name": fleet.metadata.name, **belonging_to(fleet)},
            "spec": {"serveConfigV2": config, "rayClusterConfig": cluster, **more},
        }
    )


def belonging_to(fleet: Fleet):
    owners = [owner_of(fleet)]
    place = fleet.spec.namespace or SYSTEM
    return {"namespace": place, "labels": labels_of(fleet), "ownerReferences": owners}


def a_service(fleet: Fleet, port: int = 8000, name: str = ""):
    spec = {"selector": {"ray.io/cluster": "some"}, "ports": [{"name": "http", "port": port}]}
    return an_object(fleet, "v1", "Service", name, spec=spec)


def a_claim(fleet: Fleet):
    """The API server writes its size in another way: 1Gi."""
    spec = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1024Mi"}}}
    return an_object(fleet, "v1", "PersistentVolumeClaim", spec=spec)


def a_policy(fleet: Fleet):
    """A rule without anybody is left out by the API server."""
    rules = [{"ports": [{"port": 8000}]}, {"from": []}]
    spec = {"podSelector": {}, "policyTypes": ["Ingress"], "ingress": rules}
    return an_object(fleet, "networking.k8s.io/v1", "NetworkPolicy", spec=spec)


def a_budget(fleet: Fleet):
    spec = {"minAvailable": 1, "selector": {"matchLabels": {"some": "pod"}}}
    return an_object(fleet, "policy/v1", "PodDisruptionBudget", spec=spec)


def a_secret(fleet: Fleet, purpose: str, data: dict[str, str], **annotations: str):
    manifest = an_object(fleet, "v1", "Secret", f"{fleet.metadata.name}-{purpose}", data=data)
    manifest["metadata"]["annotations"] = annotations
    return manifest


def an_object(fleet: Fleet, version: str, kind: str, name: str = "", **more):
    metadata = {"name": name or fleet.metadata.name, **belonging_to(fleet)}
    return {"apiVersion": version, "kind": kind, "metadata": metadata, **more}


ONCE = {"shoal.dev/create-only": "true"}


def everything(fleet: Fleet):
    return [
        a_service(fleet),
        a_claim(fleet),
        a_policy(fleet),
        a_budget(fleet),
        a_secret(fleet, "token", {"auth_token": "b25l"}, **ONCE),
        a_secret(fleet, "credentials", {"key": "b25l"}),
    ]


@pytest.mark.parametrize("theirs", [{}, {"labels": {"app": "their-shop"}}])
async def test_a_strangers_object_of_the_same_name_is_left_alone(
    world, server, fleet, name, theirs
):
    alien = a_service(fleet, port=9)
    alien["metadata"] = {"name": name, "namespace": SYSTEM, **theirs}
    server.apply(alien)
    wrong = f"Service {SYSTEM}/{name} exists and is not Fleet {name}'s: delete it"
    with pytest.raises(Refused, match=wrong):
        await world.cluster.keep(fleet, everything(fleet))
    found = server.get("service", name, "-n", SYSTEM)
    assert found["spec"]["ports"][0]["port"] == 9
    assert "ownerReferences" not in found["metadata"]
    assert server.get("networkpolicy", name, "-n", SYSTEM)


async def test_a_strangers_ray_service_is_left_alone(world, server, fleet, name):
    cluster = {"headGroupSpec": {"rayStartParams": {}, "template": POD}}
    spec = {"serveConfigV2": "theirs", "rayClusterConfig": cluster}
    meta = {"name": name, "namespace": SYSTEM}
    kind = {"apiVersion": "ray.io/v1", "kind": "RayService"}
    server.apply({**kind, "metadata": meta, "spec": spec})
    wrong = f"RayService {SYSTEM}/{name} exists and is not Fleet {name}'s"
    with pytest.raises(Refused, match=wrong):
        await world.cluster.apply(a_ray_service(fleet))
    assert server.get("rayservice", name, "-n", SYSTEM)["spec"]["serveConfigV2"] == "theirs"


async def until_kept(world, server, fleet, holds):
    """Keep everything again until that is so of the Fleet's Service."""

    async def kept():
        await world.cluster.keep(fleet, everything(fleet))
        return holds(server.get("service", fleet.metadata.name, "-n", SYSTEM))

    await world.until(kept)


async def test_what_lost_its_label_is_still_its_fleets(world, server, fleet, name):
    await world.cluster.keep(fleet, everything(fleet))
    world.keys.clear()
    server.kubectl("label", "service", name, "-n", SYSTEM, "shoal.dev/fleet-")
    await world.told("Fleet", "", name)
    await until_kept(
        world, server, fleet, lambda one: one["metadata"]["labels"].get("shoal.dev/fleet") == name
    )


async def test_a_ray_service_belongs_to_its_fleet(world, server, fleet, name):
    await world.cluster.apply(a_ray_service(fleet))
    get = ("rayservice", name, "-n", SYSTEM, "--show-managed-fields")
    found = server.get(*get)["metadata"]
    assert found["labels"]["shoal.dev/fleet"] == name
    assert found["ownerReferences"][0]["uid"] == fleet.metadata.uid
    assert {entry["manager"] for entry in found["managedFields"]} == {"shoal"}


async def test_what_was_applied_is_known_at_once(world, fleet, name):
    applied = await world.cluster.apply(a_ray_service(fleet, '{"a": 1}'))
    assert applied == await world.cluster.get(RayService, SYSTEM, name)
    assert applied.spec.serve_config == '{"a": 1}'
    assert applied.metadata.generation == 1


async def test_the_same_again_writes_nothing(world, fleet):
    await world.cluster.apply(a_ray_service(fleet))
    world.calls.clear()
    for _ in range(3):
        await world.cluster.apply(a_ray_service(fleet))
    assert not world.writes


async def test_another_operator_process_writes_nothing_either(world, server, fleet, name):
    await world.cluster.apply(a_ray_service(fleet))
    async with watched(server.kubeconfig) as other:
        await other.told("RayService", SYSTEM, name)
        await other.cluster.apply(a_ray_service(await other.fleet(name)))
        assert not other.writes


async def test_a_change_is_one_write(world, server, fleet, name):
    await world.cluster.apply(a_ray_service(fleet))
    world.calls.clear()
    await world.cluster.apply(a_ray_service(fleet, '{"a": 1}'))
    assert sum(world.writes.values()) == 1
    assert server.get("rayservice", name, "-n", SYSTEM)["spec"]["serveConfigV2"] == '{"a": 1}'


async def test_a_field_that_is_said_no_more_goes(world, server, fleet, name):
    await world.cluster.apply(a_ray_service(fleet, excludeHeadPodFromServeSvc=True))
    await world.cluster.apply(a_ray_service(fleet))
    assert "excludeHeadPodFromServeSvc" not in server.get("rayservice", name, "-n", SYSTEM)["spec"]


async def test_what_others_changed_of_it_is_put_right(world, server, fleet, name):
    await world.cluster.apply(a_ray_service(fleet, '{"a": 1}'))
    world.keys.clear()
    patch = '{"spec": {"serveConfigV2": "broken", "serviceUnhealthySecondThreshold": 7}}'
    server.kubectl("patch", "rayservice", name, "-n", SYSTEM, "--type=merge", "-p", patch)
    await world.told("RayService", SYSTEM, name)

    async def is_put_right():
        await world.cluster.apply(a_ray_service(fleet, '{"a": 1}'))
        spec = server.get("rayservice", name, "-n", SYSTEM)["spec"]
        assert spec["serviceUnhealthySecondThreshold"] == 7  # this is theirs
        return spec["serveConfigV2"] == '{"a": 1}'

    await world.until(is_put_right)


async def test_kept_objects_are_made_once_and_left_alone(world, fleet, name):
    await world.cluster.keep(fleet, everything(fleet))
    world.calls.clear()
    for _ in range(3):
        await world.cluster.keep(fleet, everything(fleet))
    assert not world.writes


async def test_after_a_restart_one_write_at_most_tells_how_the_server_writes_it(
    world, server, fleet, name
):
    await world.cluster.keep(fleet, everything(fleet))
    async with watched(server.kubeconfig) as other:
        again = await other.fleet(name)
        await other.cluster.keep(again, everything(again))
        other.calls.clear()
        await other.cluster.keep(again, everything(again))
        assert not other.writes


async def test_a_kept_object_that_others_changed_is_put_right(world, server, fleet, name):
    await world.cluster.keep(fleet, everything(fleet))
    world.keys.clear()
    patch = '[{"op": "replace", "path": "/spec/ports/0/port", "value": 9}]'
    server.kubectl("patch", "service", name, "-n", SYSTEM, "--type=json", "-p", patch)
    await world.told("Fleet", "", name)
    await until_kept(
        world, server, fleet, lambda one: [port["port"] for port in one["spec"]["ports"]] == [8000]
    )


async def test_labels_that_others_took_away_are_put_back(world, server, fleet, name):
    await world.cluster.keep(fleet, everything(fleet))
    world.keys.clear()
    managed = "app.kubernetes.io/managed-by"
    server.kubectl("label", "service", name, "-n", SYSTEM, f"{managed}-")
    await world.told("Fleet", "", name)
    await until_kept(
        world, server, fleet, lambda one: one["metadata"]["labels"].get(managed) == "shoal"
    )


async def test_what_is_kept_no_more_is_deleted_and_nothing_else(world, server, fleet, name):
    await world.cluster.keep(fleet, everything(fleet))
    alien = a_service(fleet, name=f"{name}-alien")
    del alien["metadata"]["ownerReferences"]
    server.apply(alien)
    await world.cluster.keep(fleet, [a_service(fleet)])
    kinds = "services,persistentvolumeclaims,networkpolicies,poddisruptionbudgets,secrets"
    label = f"shoal.dev/fleet={name}"
    left = server.get(kinds, "-n", SYSTEM, "-l", label)["items"]
    names = {one["metadata"]["name"] for one in left if "deletionTimestamp" not in one["metadata"]}
    assert names == {name, f"{name}-alien"}


async def test_a_secret_that_is_created_once_keeps_what_is_in_it(world, server, fleet, name):
    await world.cluster.keep(fleet, [a_secret(fleet, "token", {"auth_token": "b25l"}, **ONCE)])
    await world.cluster.keep(fleet, [a_secret(fleet, "token", {"auth_token": "dHdv"}, **ONCE)])
    found = server.get("secret", f"{name}-token", "-n", SYSTEM)
    assert found["data"] == {"auth_token": "b25l"}


async def test_a_secret_is_brought_to_exactly_what_is_said(world, server, fleet, name):
    both = {"one": "b25l", "two": "dHdv"}
    await world.cluster.keep(fleet, [a_secret(fleet, "credentials", both)])
    await world.cluster.keep(fleet, [a_secret(fleet, "credentials", {"one": "b25l"})])
    found = server.get("secret", f"{name}-credentials", "-n", SYSTEM)
    assert found["data"] == {"one": "b25l"}
    assert "shoal.dev/applied" not in found["metadata"].get("annotations", {})


async def test_one_that_cannot_be_kept_stops_no_other(world, server, fleet, name):
    route = an_object(fleet, "gateway.networking.k8s.io/v1", "HTTPRoute", spec={})
    with pytest.raises(KindMissing, match="install the Gateway API"):
        await world.cluster.keep(fleet, [route, a_service(fleet)])
    assert server.get("service", name, "-n", SYSTEM)


async def test_what_the_server_refuses_is_said_in_its_words(world, fleet, name):
    with pytest.raises(WorldUnavailable, match=r"spec.ports\[0\].port: Invalid value: 0"):
        await world.cluster.keep(fleet, [a_service(fleet, port=0)])


async def test_a_kind_that_is_not_known_is_refused(world, fleet, name):
    with pytest.raises(WorldUnavailable, match=r"expected .*Ingress"):
        await world.cluster.keep(fleet, [an_object(fleet, "v1", "ConfigMap")])


async def test_a_missing_namespace_is_no_missing_kind(world, server, name):
    server.apply(a_fleet(name, namespace=f"{name}-nowhere"))
    fleet = await world.fleet(name)
    assert world.cluster.site(fleet).namespace == f"{name}-nowhere"
    with pytest.raises(WorldUnavailable, match=f'namespaces "{name}-nowhere" not found'):
        await world.cluster.keep(fleet, [a_service(fleet)])


async def test_a_busy_server_gets_the_write_in_the_end(meddled, meddler, server, name):
    server.apply(a_fleet(name), namespace(name))
    fleet = await meddled.fleet(name)
    meddler.refuse(503, 2, match=lambda request: request.method == "PATCH")
    await meddled.cluster.apply(a_ray_service(fleet))
    assert server.get("rayservice", name, "-n", SYSTEM)


async def test_a_server_that_stays_busy_is_told_of(meddled, meddler, server, name):
    server.apply(a_fleet(name))
    fleet = await meddled.fleet(name)
    meddler.refuse(503, 5, match=lambda request: request.method == "PATCH", message="too busy")
    with pytest.raises(WorldUnavailable, match=r"patch rayservices.ray.io .*too busy"):
        await meddled.cluster.apply(a_ray_service(fleet))


async def test_a_ray_service_that_is_gone_is_made_anew(world, server, fleet, name):
    first = await world.cluster.apply(a_ray_service(fleet))
    world.keys.clear()
    server.kubectl("delete", "rayservice", name, "-n", SYSTEM)
    await world.until(lambda: Key("RayService", SYSTEM, name) in world.keys)

    async def is_another():
        again = await world.cluster.apply(a_ray_service(fleet))
        return again.metadata.uid != first.metadata.uid

    await world.until(is_another)
