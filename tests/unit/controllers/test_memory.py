"""The cluster in memory has an API server's manners, or tests that use it would prove nothing."""

from shoal.api import Fleet, Model
from shoal.cluster import Key
from shoal.testing import a_fleet, a_model, changed

KEY = Key("Model", "ops", "alarm-triage")


async def test_a_created_resource_is_given_its_metadata_and_no_status(scene):
    model = await scene.apply(a_model(generation=7))
    assert model.metadata.generation == 1
    assert model.metadata.uid
    assert model.metadata.creation_timestamp
    assert await scene.get(Model, "ops", "alarm-triage") == model


async def test_only_a_changed_spec_is_a_new_generation(scene):
    model = await scene.apply(a_model())
    metadata = model.metadata.model_copy(update={"labels": {"team": "ops"}})
    labelled = await scene.apply(model.model_copy(update={"metadata": metadata}))
    assert (labelled.metadata.generation, labelled.metadata.labels) == (1, {"team": "ops"})
    edited = await scene.apply(changed(labelled, replicas=2))
    assert (edited.metadata.generation, edited.metadata.uid) == (2, model.metadata.uid)
    assert edited.metadata.resource_version != labelled.metadata.resource_version


async def test_a_report_writes_the_status_alone(scene):
    model = await scene.apply(a_model())
    status = model.status.model_copy(update={"url": "http://here"})
    await scene.report(changed(model, replicas=5).model_copy(update={"status": status}))
    now = await scene.get(Model, "ops", "alarm-triage")
    assert (now.spec, now.metadata.generation, now.status) == (model.spec, 1, status)
    assert (await scene.apply(changed(now, replicas=2))).status == status


async def test_what_is_gone_or_another_is_not_reported(scene):
    model = await scene.apply(a_model())
    await scene.delete(Model, "ops", "alarm-triage")
    await scene.report(model)
    assert await scene.list(Model) == []
    again = await scene.apply(a_model())
    status = model.status.model_copy(update={"url": "http://here"})
    await scene.report(model.model_copy(update={"status": status}))
    assert await scene.list(Model) == [again]


async def test_writes_that_change_nothing_are_none(scene):
    model = await scene.apply(a_model())
    await scene.apply(model)
    await scene.report(model)
    assert not await scene.delete(Fleet, "", "gone")
    assert scene.writes == {"apply": 1}


async def test_resources_are_listed_by_namespace_and_name(scene):
    for name, namespace in (("b", "ops"), ("a", "ops"), ("c", "lab")):
        await scene.apply(a_model(name, namespace))
    await scene.apply(a_fleet())
    assert [model.metadata.name for model in await scene.list(Model)] == ["c", "a", "b"]
    assert [model.metadata.name for model in await scene.list(Model, "ops")] == ["a", "b"]


async def test_models_are_listed_by_the_fleet_that_they_name(scene):
    for name, fleet in (("b", "default"), ("a", "default"), ("c", "other")):
        await scene.apply(a_model(name, fleet=fleet))
    assert [model.metadata.name for model in await scene.models_of("default")] == ["a", "b"]


async def test_a_watch_tells_what_there_is_and_then_what_changes(scene):
    model = await scene.apply(a_model())
    watch = scene.watch()
    assert await anext(watch) == KEY
    await scene.apply(changed(model, replicas=2))
    assert await anext(watch) == KEY
    scene.set_reachable("default")
    assert await anext(watch) == Key("Fleet", "", "default")
    await scene.delete(Model, "ops", "alarm-triage")
    assert await anext(watch) == KEY
    await watch.aclose()
