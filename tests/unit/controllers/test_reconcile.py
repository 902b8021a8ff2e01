"""One reconcile at a time: gather, plan, apply, report."""

import asyncio
import json
from datetime import timedelta

import pytest

from shoal.api import (
    MAX_MODELS,
    ConditionType,
    Fleet,
    Model,
    Node,
    Pod,
    RayService,
    find_condition,
    is_true,
)
from shoal.cluster import Key
from shoal.cluster.memory import SITE_NAMESPACE
from shoal.controllers.fleet import RETRY, reconcile_fleet
from shoal.controllers.gather import gather_model
from shoal.controllers.model import ROUTING_FIRST, ROUTING_MOST, reconcile_model
from shoal.errors import AccessDenied, InvalidResource, KindMissing, WorldUnavailable
from shoal.testing import (
    DIGEST,
    NOW,
    POD_SITE,
    a_failure,
    a_fleet,
    a_ledger,
    a_model,
    a_replica,
    changed,
)

FLEET, MODEL = Key("Fleet", "", "default"), Key("Model", "ops", "alarm-triage")
URL = "http://default.test:8000/ops/alarm-triage"


async def bring_up(scene):
    """The Model serves."""
    await scene.begin()
    await reconcile_fleet(scene, FLEET, NOW)
    await scene.serve(a_replica(await scene.model(), uid=""))
    scene.set_answers(URL)
    await settle(scene)


async def settle(scene, now=NOW):
    for _ in range(3):
        await reconcile_model(scene, MODEL, now)
        await reconcile_fleet(scene, FLEET, now)


def ready(model):
    return find_condition(model.status.conditions, ConditionType.READY)


async def test_a_fleet_becomes_a_ray_service_that_holds_its_models(scene):
    await scene.begin(a_model(), a_model("elsewhere", fleet="other"))
    assert await reconcile_fleet(scene, FLEET, NOW) is None
    service = await scene.service()
    names = [one["name"] for one in json.loads(service.spec.serve_config)["applications"]]
    assert names == ["shoal-ledger", "ops.alarm-triage"]
    assert (await scene.fleet()).status.models.total == 1


async def test_a_model_comes_up(scene):
    await bring_up(scene)
    model = await scene.model()
    assert is_true(model.status.conditions, ConditionType.READY)
    assert model.status.url == URL
    assert (await scene.fleet()).status.models.ready == 1


async def test_a_model_that_generates_text_comes_up_with_what_it_has_room_for(scene):
    pirate = {"name": "pirate", "uri": "file:///models/pirate"}
    chat = changed(a_model(), task="text-generation", generation={"adapters": [pirate]})
    await scene.begin(chat)
    await reconcile_fleet(scene, FLEET, NOW)
    replica = a_replica(await scene.model(), uid="", adapters={"pirate": DIGEST})
    await scene.serve(replica)
    facts = {"sequences": 16, "tokens": 2048, "kv_bytes": 2**20, "adapters": ("pirate",)}
    known = {"precision": "fp32", "generation": facts}
    scene.set_ledger("default", a_ledger({"ops/alarm-triage": [replica]}, **known))
    scene.set_answers(URL)
    await settle(scene)
    model = (await scene.model()).status.model
    assert (model.precision, model.generation.model_dump(by_alias=False)) == ("fp32", facts)
    before = scene.writes.copy()
    await settle(scene)
    assert scene.writes == before


async def test_a_second_look_writes_nothing(scene):
    await bring_up(scene)
    before = scene.writes.copy()
    await settle(scene, NOW + timedelta(minutes=10))
    assert scene.writes == before


async def test_a_change_of_metadata_reaches_nobody(scene):
    await bring_up(scene)
    model = await scene.model()
    labels = model.metadata.model_copy(update={"labels": {"team": "ops"}})
    await scene.apply(model.model_copy(update={"metadata": labels}))
    before = scene.writes.copy()
    await settle(scene)
    assert scene.writes == before


async def test_a_deleted_model_leaves_the_configuration(scene):
    await bring_up(scene)
    await scene.delete(Model, "ops", "alarm-triage")
    assert await reconcile_model(scene, MODEL, NOW) is None
    await reconcile_fleet(scene, FLEET, NOW)
    assert "alarm-triage" not in (await scene.service()).spec.serve_config


async def test_a_deleted_fleet_takes_its_ray_service_with_it(scene):
    await bring_up(scene)
    await scene.delete(Fleet, "", "default")
    await reconcile_fleet(scene, FLEET, NOW)
    await reconcile_model(scene, MODEL, NOW)
    assert await scene.get(RayService, SITE_NAMESPACE, "default") is None
    assert ready(await scene.model()).reason == "FleetNotFound"


async def test_a_url_is_asked_only_while_something_may_newly_answer(scene):
    await scene.begin()
    await reconcile_fleet(scene, FLEET, NOW)
    await reconcile_model(scene, MODEL, NOW)
    assert scene.asked == []
    await scene.serve(a_replica(await scene.model()))
    await reconcile_model(scene, MODEL, NOW)
    assert scene.asked == [f"{URL}/v2/health/ready"]
    scene.set_answers(URL)
    await settle(scene)
    assert len(scene.asked) == 2


async def test_a_url_that_does_not_answer_is_asked_less_and_less_often(scene):
    await scene.begin()
    await reconcile_fleet(scene, FLEET, NOW)
    await scene.serve(a_replica(await scene.model()))
    assert await reconcile_model(scene, MODEL, NOW) == ROUTING_FIRST
    assert await reconcile_model(scene, MODEL, NOW + timedelta(seconds=20)) == timedelta(seconds=2)
    assert await reconcile_model(scene, MODEL, NOW + timedelta(hours=1)) == ROUTING_MOST
    scene.set_answers(URL)
    assert await reconcile_model(scene, MODEL, NOW + timedelta(hours=1)) is None


async def test_a_failed_application_is_looked_at_again_and_tried_again(scene):
    await scene.begin()
    await reconcile_fleet(scene, FLEET, NOW)
    failure = a_failure(retriable=True)
    failed = a_replica(await scene.model(), "Failed", failure=failure)
    await scene.serve(failed, status="DEPLOY_FAILED")
    await reconcile_model(scene, MODEL, NOW)
    assert await reconcile_fleet(scene, FLEET, NOW) == RETRY
    assert '"attempt": 0' in (await scene.service()).spec.serve_config
    await reconcile_fleet(scene, FLEET, NOW + timedelta(seconds=10))
    assert '"attempt": 1' in (await scene.service()).spec.serve_config


async def test_a_configuration_that_somebody_wrote_is_put_right(scene):
    await bring_up(scene)
    service = await scene.service()
    right = service.spec
    wrong = right.model_copy(update={"serve_config": "applications: []"})
    await scene.apply(service.model_copy(update={"spec": wrong}))
    await reconcile_fleet(scene, FLEET, NOW)
    assert '"name": "ops.alarm-triage"' in (await scene.service()).spec.serve_config


async def test_each_transition_is_recorded_once(scene):
    await bring_up(scene)
    await settle(scene)
    said = [(event.kind, event.reason.value) for event in scene.events]
    assert len(said) == len(set(said))
    assert ("Model", "Ready") in said


async def test_an_edit_reaches_the_replicas_and_back_again(scene):
    await bring_up(scene)
    model = await scene.model()
    await scene.apply(changed(model, source={"uri": "file:///models/next"}))
    await settle(scene)
    model = await scene.model()
    assert ready(model).reason == "RollingOut"
    assert "file:///models/next" in (await scene.service()).spec.serve_config
    await scene.serve(a_replica(model))
    await settle(scene)
    model = await scene.model()
    assert ready(model).observed_generation == model.metadata.generation == 2


async def test_a_model_reads_the_others_only_if_its_fleet_has_too_many(scene):
    await scene.begin(*(a_model(f"m-{at:03}") for at in range(MAX_MODELS)))
    await reconcile_fleet(scene, FLEET, NOW)
    observed = await gather_model(scene, "ops", "m-000")
    assert observed.fleet.models == ()
    await scene.apply(a_model("one-too-many"))
    await reconcile_fleet(scene, FLEET, NOW)
    for name, reason in (("one-too-many", "FleetFull"), ("m-000", "Starting")):
        await reconcile_model(scene, Key("Model", "ops", name), NOW)
        assert ready(await scene.model(name)).reason == reason
    assert "one-too-many" not in (await scene.service()).spec.serve_config


async def test_a_crowd_that_cannot_be_served_takes_no_model_its_place(in_pods):
    scene = in_pods
    scene.set_namespace("ops", {"team": "ops"})
    await scene.begin(*(a_model(f"m-{at:03}", "elsewhere") for at in range(MAX_MODELS)))
    await scene.apply(a_fleet(allowed_namespaces={"match_labels": {"team": "ops"}}))
    nowhere = {"uri": "https://models.test/m", "secret_name": "none"}
    await scene.apply(a_model("without", source=nowhere))
    await scene.apply(a_model())
    for _ in range(2):
        await reconcile_fleet(scene, FLEET, NOW)
        await reconcile_model(scene, Key("Model", "ops", "without"), NOW)
        await reconcile_model(scene, MODEL, NOW)
    observed = await gather_model(scene, "ops", "alarm-triage")
    assert len(observed.fleet.models) == MAX_MODELS + 1
    assert ready(await scene.model()).reason == "Starting"
    assert ready(await scene.model("without")).reason == "SecretNotFound"


async def test_a_url_that_hangs_holds_nobody_up(scene, monkeypatch):
    async def hangs(_):
        await asyncio.Event().wait()

    monkeypatch.setattr("shoal.controllers.gather.ANSWER_S", 0.01)
    monkeypatch.setattr(scene, "answers", hangs)
    await scene.begin()
    await reconcile_fleet(scene, FLEET, NOW)
    await scene.serve(a_replica(await scene.model()))
    await reconcile_model(scene, MODEL, NOW)
    assert ready(await scene.model()).reason == "Routing"


async def test_a_model_that_is_being_deleted_is_served_no_more(scene):
    await bring_up(scene)
    model = await scene.model()
    meta = model.metadata.model_copy(update={"deletion_timestamp": NOW})
    scene._write("delete", MODEL, model.model_copy(update={"metadata": meta}))
    await settle(scene)
    assert "alarm-triage" not in (await scene.service()).spec.serve_config
    assert ready(await scene.model()).message == "It is being deleted."


async def test_a_model_reads_no_nodes_and_its_fleets_pods_only_while_it_waits_for_a_place(in_pods):
    scene = in_pods
    await scene.begin()
    scene.set_nodes(Node(name="n"))
    scene.set_pods("default", Pod(name="p"))
    await reconcile_fleet(scene, FLEET, NOW)
    await scene.serve(status="DEPLOYING")
    observed = await gather_model(scene, "ops", "alarm-triage")
    assert (observed.fleet.nodes, observed.fleet.pods) == ((), ())
    await scene.serve(status="DEPLOYING", said="1 replicas that wait to be scheduled.")
    observed = await gather_model(scene, "ops", "alarm-triage")
    assert (observed.fleet.nodes, observed.fleet.pods) == ((), (Pod(name="p"),))


async def test_a_model_is_placed_by_what_the_fleet_learnt_of_its_nodes(in_pods):
    scene = in_pods
    asked = a_model(resources={"gpu": {"memory": "6Gi"}})
    await scene.begin(asked)
    pools = ({"name": "cpu"}, {"name": "l4", "gpu": {"product": "NVIDIA-L4"}})
    await scene.apply(a_fleet(pools=pools))
    await settle(scene)
    model = await scene.model()
    assert ready(model).reason == "NoPoolFits"
    assert "alarm-triage" not in (await scene.service()).spec.serve_config
    labels = {"nvidia.com/gpu.product": "NVIDIA-L4", "nvidia.com/gpu.memory": "23034"}
    allocatable = {"cpu": "16", "memory": "64Gi", "nvidia.com/gpu": "1"}
    scene.set_nodes(Node(name="n", labels=labels, allocatable=allocatable))
    await settle(scene)
    scene.set_nodes()
    await settle(scene)
    placement = (await scene.model()).status.placement
    assert (placement.pool, placement.gpu_share, placement.gpu_memory) == ("l4", 0.2668, "6Gi")
    assert '"num_gpus": 0.2668' in (await scene.service()).spec.serve_config


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (KindMissing("RayService", "install KubeRay"), "KubeRayMissing"),
        (KindMissing("HTTPRoute", "install the Gateway API"), "ConfigurationRefused"),
        (AccessDenied("not allowed to patch rayservices"), "ConfigurationRefused"),
        (WorldUnavailable("Kubernetes does not answer"), "ClusterUnreachable"),
    ],
)
@pytest.mark.parametrize("verb", ["apply", "keep"])
async def test_what_kubernetes_refuses_is_told_and_fails(in_pods, verb, error, reason):
    scene = in_pods
    await scene.begin()
    scene.refuses[verb] = error
    with pytest.raises(type(error)):
        await reconcile_fleet(scene, FLEET, NOW)
    fleet = await scene.fleet()
    provisioned = find_condition(fleet.status.conditions, ConditionType.PROVISIONED)
    assert (provisioned.status, provisioned.reason) == ("False", reason)
    assert provisioned.message == f"{error}."
    scene.refuses.clear()
    await reconcile_fleet(scene, FLEET, NOW)
    fleet = await scene.fleet()
    provisioned = find_condition(fleet.status.conditions, ConditionType.PROVISIONED)
    assert provisioned.reason == "Provisioning"


async def test_an_object_that_is_refused_keeps_no_model_from_being_served(in_pods):
    scene = in_pods
    await scene.begin()
    await reconcile_fleet(scene, FLEET, NOW)
    scene.refuses["keep"] = KindMissing("HTTPRoute", "install the Gateway API")
    await scene.apply(a_model("second"))
    with pytest.raises(KindMissing):
        await reconcile_fleet(scene, FLEET, NOW)
    assert "ops.second" in (await scene.service()).spec.serve_config
    fleet = await scene.fleet()
    assert fleet.status.models.total == 2
    provisioned = find_condition(fleet.status.conditions, ConditionType.PROVISIONED)
    assert provisioned.reason == "ConfigurationRefused"


async def test_a_mistake_of_ours_is_told_to_who_looks_at_the_fleet(scene, monkeypatch):
    await bring_up(scene)
    before = (await scene.fleet()).status

    def fails(*_):
        raise TypeError("no such luck")

    monkeypatch.setattr("shoal.controllers.fleet.serve_config", fails)
    with pytest.raises(TypeError):
        await reconcile_fleet(scene, FLEET, NOW)
    after = (await scene.fleet()).status
    for kind, status in ((ConditionType.ACCEPTED, "False"), (ConditionType.STALLED, "True")):
        said = find_condition(after.conditions, kind)
        assert (said.status, said.reason) == (status, "InvalidSpec")
        assert "leaves what runs as it is: no such luck." in said.message
    assert is_true(after.conditions, ConditionType.READY)
    assert (after.url, after.models) == (before.url, before.models)
    monkeypatch.undo()
    await settle(scene)
    assert (await scene.fleet()).status == before


async def test_a_mistake_in_a_new_fleet_leaves_it_unready(scene, monkeypatch):
    await scene.apply(a_fleet())
    monkeypatch.setattr("shoal.controllers.fleet.serve_config", {}.pop)
    with pytest.raises(TypeError):
        await reconcile_fleet(scene, FLEET, NOW)
    assert ready(await scene.fleet()).reason == "InvalidSpec"


async def test_a_model_says_what_is_wrong_with_its_fleet(scene, monkeypatch):
    await bring_up(scene)
    get = scene.get

    async def strict(kind, namespace, name):
        if kind is Fleet:
            raise InvalidResource("Fleet default", ("spec.pools: Required value",))
        return await get(kind, namespace, name)

    monkeypatch.setattr(scene, "get", strict)
    await reconcile_model(scene, MODEL, NOW)
    accepted = find_condition((await scene.model()).status.conditions, ConditionType.ACCEPTED)
    assert (accepted.status, accepted.reason) == ("False", "InvalidSpec")
    assert "Fleet 'default' breaks the contract" in accepted.message
    assert "spec.pools: Required value. Put that right" in accepted.message


async def test_the_first_ray_service_waits_for_its_token_and_its_policies(in_pods):
    scene = in_pods
    await scene.begin()
    scene.refuses["keep"] = AccessDenied("not allowed to patch networkpolicies")
    with pytest.raises(AccessDenied):
        await reconcile_fleet(scene, FLEET, NOW)
    assert await scene.get(RayService, POD_SITE.namespace, "default") is None


async def test_a_fleet_is_not_called_moved_before_kuberay_saw_its_change(scene):
    await bring_up(scene)
    fleet = await scene.fleet()
    assert ready(fleet).observed_generation == 1
    network = {"max_body_size": "1Mi"}
    meta = fleet.metadata.model_copy(update={"generation": 2})
    changed_fleet = a_fleet(network=network).model_copy(update={"metadata": meta})
    await scene.apply(changed_fleet)
    await reconcile_fleet(scene, FLEET, NOW)
    assert (ready(await scene.fleet()).status, ready(await scene.fleet()).observed_generation) == (
        "True",
        1,
    )
    await scene.serve(a_replica(await scene.model(), uid=""))
    await reconcile_fleet(scene, FLEET, NOW)
    assert ready(await scene.fleet()).observed_generation == 2


@pytest.mark.parametrize("reconcile", [reconcile_fleet, reconcile_model])
async def test_what_is_gone_is_no_error(scene, reconcile):
    assert await reconcile(scene, Key("Any", "ops", "gone"), NOW) is None
    assert scene.writes.total() == 0


async def test_a_model_that_cannot_be_read_any_more_serves_on_as_it_did(scene):
    await scene.begin(a_model("a"), a_model("b"))
    await reconcile_fleet(scene, FLEET, NOW)
    before = (await scene.service()).spec.serve_config
    scene.make_unreadable("ops", "a")
    await reconcile_fleet(scene, FLEET, NOW)
    assert (await scene.service()).spec.serve_config == before
