"""What the operator may not do is said; the rest goes on. Secrets are asked for by name only."""

import pytest
from kube_world import a_fleet, a_model, prepare, watched

from shoal.cluster import Key
from shoal.errors import AccessDenied


def role(name: str, *rules: tuple[str, str, str]):
    """A ClusterRole of rules (group, resources, verbs), and its binding to the user `shoal`."""
    fields = ("apiGroups", "resources", "verbs")
    listed = [
        {field: said.split(",") for field, said in zip(fields, rule, strict=True)} for rule in rules
    ]
    group = "rbac.authorization.k8s.io"
    reference = {"apiGroup": group, "kind": "ClusterRole", "name": name}
    subject = {"apiGroup": group, "kind": "User", "name": "shoal"}
    head = {"apiVersion": f"{group}/v1", "metadata": {"name": name}}
    yield {**head, "kind": "ClusterRole", "rules": listed}
    yield {**head, "kind": "ClusterRoleBinding", "roleRef": reference, "subjects": [subject]}


READ_OURS = ("shoal.dev", "models,fleets", "get,list,watch")


@pytest.mark.timeout(180)
async def test_what_is_not_allowed_is_named_and_stops_nothing_else(fresh_control_plane):
    prepare(fresh_control_plane)
    fresh_control_plane.apply(*role("shoal", READ_OURS), a_model("it", "default"), a_fleet("it"))
    async with watched(fresh_control_plane.kubeconfig_of_user("shoal")) as world:
        model = await world.model("default", "it")
        fleet = await world.fleet("it")
        with pytest.raises(AccessDenied, match="not allowed to list nodes"):
            await world.cluster.nodes()
        with pytest.raises(AccessDenied, match=r"not allowed to patch models.shoal.dev default/it"):
            await world.cluster.report(model)
        with pytest.raises(AccessDenied, match="not allowed to get secrets default/one"):
            await world.cluster.secret("default", "one")
        world.keys.clear()
        fresh_control_plane.apply(*role("more", ("", "nodes", "list,watch")))
        await world.told("Fleet", "", "it")
        assert list(await world.cluster.nodes()) == []
        assert await world.fleet("it") == fleet


async def test_a_secret_is_read_when_it_is_asked_for(world, server, place):
    assert await world.cluster.secret(place, "it") is None
    server.apply(a_secret(place, "b25l"))
    assert await world.cluster.secret(place, "it") == {"token": "b25l"}
    assert world.calls["list", "secrets"] == world.calls["watch", "secrets"] == 0


async def test_a_changed_secret_concerns_the_models_that_name_it(server, place, monkeypatch):
    monkeypatch.setattr("shoal.cluster.kube.credentials.LOOK_S", 0.2)
    named = {"uri": "https://there/it", "secretName": "it"}
    server.apply(a_model("it", place, source=named), a_model("other", place))
    async with watched(server.kubeconfig) as world:
        await world.model(place, "it")
        assert await world.cluster.secret(place, "it") is None
        for token in ("b25l", "dHdv"):
            world.keys.clear()
            server.apply(a_secret(place, token))
            await world.told("Model", place, "it")
            assert Key("Model", place, "other") not in world.keys
            assert await world.cluster.secret(place, "it") == {"token": token}


def a_secret(place: str, token: str):
    meta = {"name": "it", "namespace": place}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": meta, "data": {"token": token}}
