"""What people are told: statuses, events, and what is wrong with an object."""

import json
from datetime import UTC, datetime

import pytest
from kube_world import a_fleet, a_model, watched

from shoal.api import Condition, ConditionType, Event, Fleet, Model, ModelStatus, Reason
from shoal.cluster import Key
from shoal.errors import InvalidResource

NOW = datetime(2026, 1, 1, 12, 0, tzinfo=UTC)
A_STATUS = ModelStatus(
    observed_generation=1,
    url="http://there",
    conditions=(
        Condition(
            type=ConditionType.ACCEPTED,
            status="True",
            reason=Reason.ACCEPTED,
            observed_generation=1,
            last_transition_time=NOW,
        ),
    ),
)


@pytest.fixture
async def model(world, server, place):
    server.apply(a_model("it", place))
    return await world.model(place, "it")


def with_status(model: Model, status: ModelStatus) -> Model:
    return model.model_copy(update={"status": status})


def an_event(place: str, message: str = "It loads.") -> Event:
    return Event(
        kind="Model",
        namespace=place,
        name="it",
        type="Normal",
        reason=Reason.LOADING,
        message=message,
        first_timestamp=NOW,
        last_timestamp=NOW,
    )


async def test_a_status_is_written_with_one_call_and_known_at_once(world, server, model, place):
    world.calls.clear()
    world.keys.clear()
    await world.cluster.report(with_status(model, A_STATUS))
    assert world.writes == {("patch", "models.shoal.dev"): 1}
    assert (await world.cluster.get(Model, place, "it")).status == A_STATUS
    await world.told("Model", place, "it")
    found = server.get("model", "it", "-n", place)
    assert found["status"]["url"] == "http://there"
    assert found["metadata"]["generation"] == 1


async def test_what_a_status_says_no_more_is_gone(world, server, model, place):
    await world.cluster.report(with_status(model, A_STATUS))
    await world.cluster.report(with_status(model, ModelStatus(observed_generation=1)))
    assert "url" not in server.get("model", "it", "-n", place)["status"]


async def test_a_resource_that_is_gone_is_not_written(world, server, model, place):
    server.kubectl("delete", "model", "it", "-n", place)
    await world.cluster.report(with_status(model, A_STATUS))

    async def gone():
        return await world.cluster.get(Model, place, "it") is None

    await world.until(gone)


async def test_a_namesake_is_not_written(world, server, model, place):
    server.kubectl("delete", "model", "it", "-n", place)
    server.apply(a_model("it", place))
    await world.cluster.report(with_status(model, A_STATUS))
    assert "url" not in server.get("model", "it", "-n", place)["status"]


async def test_events_are_shown_with_the_resource_and_equal_ones_are_counted(
    world, server, model, place
):
    for message in ("It loads.", "It loads.", "Something else.", "It loads."):
        await world.cluster.record(an_event(place, message))
    await world.until(lambda: sum(world.writes.values()) == 4)
    described = server.kubectl("describe", "model", "it", "-n", place)
    assert "It loads." in described.split("Events:")[1]
    events = server.get("events", "-n", place)["items"]
    assert {one["message"]: one["count"] for one in events} == {
        "It loads.": 3,
        "Something else.": 1,
    }


async def test_a_fleets_events_are_shown_with_it(world, server, name):
    server.apply(a_fleet(name))
    await world.fleet(name)
    about = {"kind": "Fleet", "namespace": "", "name": name}
    await world.cluster.record(an_event("").model_copy(update=about))
    await world.until(lambda: world.writes)
    assert "It loads." in server.kubectl("describe", "fleet", name).split("Events:")[1]


async def test_an_event_that_is_forgotten_is_written_anew(world, server, model, place):
    await world.cluster.record(an_event(place))
    await world.until(lambda: sum(world.writes.values()) == 1)
    server.kubectl("delete", "events", "--all", "-n", place)
    await world.cluster.record(an_event(place))
    await world.until(lambda: sum(world.writes.values()) == 3)
    assert [one["count"] for one in server.get("events", "-n", place)["items"]] == [1]


async def test_an_event_that_cannot_be_written_stops_nothing(world, server, model, place, caplog):
    await world.cluster.record(an_event(f"{place}-nowhere"))
    await world.cluster.record(an_event(place))
    await world.until(lambda: world.codes[404] and server.get("events", "-n", place)["items"])
    assert "was not written" in caplog.text


@pytest.mark.timeout(180)
async def test_an_object_that_breaks_the_contract_is_told_so_and_stops_no_other(
    fresh_control_plane,
):
    """The CRD is newer than the operator: it has a field of which this version knows nothing."""
    fresh_control_plane.install_shoal_crds()
    add = {"op": "add", "path": f"{SPEC}/properties/newField", "value": {"type": "integer"}}
    crd = ("crd", "models.shoal.dev", "--type=json", "-p", json.dumps([add]))
    fresh_control_plane.kubectl("patch", *crd)
    fresh_control_plane.apply(a_model("good", "default"), a_fleet("it"))
    async with watched(fresh_control_plane.kubeconfig) as world:
        await world.until(lambda: newer_applied(fresh_control_plane))
        await world.model("default", "good")
        said = await world.until(lambda: accepted(fresh_control_plane, "newer"))
        assert (said["status"], said["reason"]) == ("False", "InvalidSpec")
        assert "spec.newField: Unknown field: 1" in said["message"]
        with pytest.raises(InvalidResource, match="newField"):
            await world.cluster.get(Model, "default", "newer")
        names = [model.metadata.name for model in await world.cluster.list(Model)]
        assert names == ["good"]
        assert "InvalidSpec" in fresh_control_plane.kubectl("describe", "model", "newer")
        world.keys.clear()
        fresh_control_plane.kubectl("delete", "model", "newer")
        await world.until(lambda: Key("Model", "default", "newer") in world.keys)
        assert world.writes[("patch", "models.shoal.dev")] == 1
        assert await world.cluster.get(Fleet, "", "it")


@pytest.mark.timeout(180)
async def test_a_crd_that_is_older_than_the_operator_is_told_of_once(
    fresh_control_plane, caplog, monkeypatch
):
    fresh_control_plane.install_shoal_crds()
    url = {"path": f"{STATUS}/properties/url"}

    def change_crd(**how):
        patch = json.dumps([{**url, **how}])
        fresh_control_plane.kubectl("patch", "crd", "models.shoal.dev", "--type=json", "-p", patch)

    change_crd(op="remove")
    fresh_control_plane.apply(a_model("it", "default"))
    async with watched(fresh_control_plane.kubeconfig) as world:
        model = await world.model("default", "it")

        async def dropped():
            await world.cluster.report(with_status(model, A_STATUS))
            return "lacks status.url" in caplog.text

        await world.until(dropped)
        world.calls.clear()
        for _ in range(3):
            await world.cluster.report(with_status(model, A_STATUS))
        assert not world.writes
        more = A_STATUS.model_copy(update={"revision": "8f3c2a1b"})
        await world.cluster.report(with_status(model, more))
        assert fresh_control_plane.get("model", "it")["status"]["revision"] == "8f3c2a1b"
        assert caplog.text.count("is older than the operator") == 1
        monkeypatch.setattr("shoal.cluster.kube.reporting.AGAIN_S", 0)
        change_crd(op="add", value={"type": "string"})

        async def kept():
            await world.cluster.report(with_status(model, A_STATUS))
            return fresh_control_plane.get("model", "it")["status"].get("url")

        await world.until(kept)


SPEC = "/spec/versions/0/schema/openAPIV3Schema/properties/spec"
STATUS = "/spec/versions/0/schema/openAPIV3Schema/properties/status"


def newer_applied(control_plane) -> bool:
    """The API server takes up a changed CRD a moment later; until then it drops the field."""
    control_plane.apply(a_model("newer", "default", newField=1))
    return "newField" in control_plane.get("model", "newer")["spec"]


def accepted(control_plane, name):
    status = control_plane.get("model", name).get("status", {})
    return next((one for one in status.get("conditions", ()) if one["type"] == "Accepted"), None)
