"""Resources in a folder: created, changed by command or by hand, and deleted."""

from datetime import UTC, datetime

import pytest

from shoal.api import (
    Condition,
    ConditionType,
    Fleet,
    Model,
    ModelStatus,
    RayService,
    RayServiceSpec,
    Reason,
    parse_resource,
)
from shoal.api.metadata import ObjectMeta
from shoal.api.rayservice import RayServiceStatus
from shoal.errors import InvalidResource

READY = Condition(
    type=ConditionType.READY,
    status="True",
    reason=Reason.READY,
    observed_generation=1,
    last_transition_time=datetime(2026, 1, 2, tzinfo=UTC),
)
SERVED = ModelStatus(observed_generation=1, conditions=(READY,), url="http://x/ops/echo")


def test_the_first_apply_creates(store, home, model):
    applied = store.apply(model())
    assert applied.verb == "created"
    assert applied.resource.metadata.generation == 1
    assert (home / "models/ops/echo.yaml").exists()


def test_the_same_again_is_unchanged(store, home, model):
    store.apply(model())
    before = (home / "models/ops/echo.yaml").stat().st_mtime_ns
    assert store.apply(model(suspend=False)).verb == "unchanged"
    assert (home / "models/ops/echo.yaml").stat().st_mtime_ns == before


def test_another_spec_is_another_generation(store, model):
    first = store.apply(model()).resource
    second = store.apply(model(replicas=2))
    assert second.verb == "configured"
    assert second.resource.metadata.generation == 2
    assert second.resource.metadata.uid == first.metadata.uid


def test_labels_change_no_generation(store, model):
    labelled = model().model_copy(
        update={"metadata": ObjectMeta(name="echo", namespace="ops", labels={"team": "a"})}
    )
    store.apply(model())
    applied = store.apply(labelled)
    assert applied.verb == "configured"
    assert applied.resource.metadata.generation == 1
    assert store.get(Model, "ops", "echo").metadata.labels == {"team": "a"}


def test_a_resource_reads_back_as_it_was_applied(store, model):
    applied = store.apply(model(batching={"timeout": "5s"})).resource
    assert store.get(Model, "ops", "echo") == applied
    assert applied.spec.batching.timeout == "5s"


def test_a_namespace_that_is_not_said_is_default(store, model):
    store.apply(model(namespace=None))
    assert store.get(Model, "", "echo").metadata.namespace == "default"


def test_what_is_not_there_is_none(store):
    assert store.get(Model, "ops", "echo") is None
    assert store.list(Model) == []


def test_a_list_is_sorted_by_namespace_and_name(store, model):
    for namespace, name in (("b", "x"), ("a", "y"), ("a", "x")):
        store.apply(model(name, namespace))
    assert [(m.metadata.namespace, m.metadata.name) for m in store.list(Model)] == [
        ("a", "x"),
        ("a", "y"),
        ("b", "x"),
    ]
    assert len(store.list(Model, "a")) == 2


def test_a_status_is_reported_without_a_new_generation(store, model):
    resource = store.apply(model()).resource
    store.report(resource.model_copy(update={"status": SERVED}))
    read = store.get(Model, "ops", "echo")
    assert read.status == SERVED
    assert read.metadata.generation == 1
    assert read.spec == resource.spec


def test_an_equal_status_is_not_written(store, home, model):
    resource = store.apply(model()).resource.model_copy(update={"status": SERVED})
    store.report(resource)
    before = (home / "models/ops/echo.status.yaml").stat().st_mtime_ns
    store.report(resource)
    assert (home / "models/ops/echo.status.yaml").stat().st_mtime_ns == before


def test_an_apply_leaves_the_status_alone(store, model):
    store.report(store.apply(model()).resource.model_copy(update={"status": SERVED}))
    assert store.apply(model(replicas=3)).resource.status == SERVED


def test_a_status_of_what_is_gone_is_not_written(store, home, model):
    gone = store.apply(model()).resource
    store.delete(Model, "ops", "echo")
    store.report(gone.model_copy(update={"status": SERVED}))
    assert list((home / "models/ops").iterdir()) == []


def test_a_status_of_a_namesake_that_is_gone_is_not_written(store, model):
    gone = store.apply(model()).resource
    store.delete(Model, "ops", "echo")
    assert store.apply(model()).resource.metadata.uid != gone.metadata.uid
    store.report(gone.model_copy(update={"status": SERVED}))
    assert store.get(Model, "ops", "echo").status == ModelStatus()


def test_deleting_says_whether_it_was_there(store, model):
    store.apply(model())
    assert store.delete(Model, "ops", "echo")
    assert not store.delete(Model, "ops", "echo")


def test_an_edit_by_hand_is_a_new_generation(store, home, model, edit):
    store.apply(model())
    edit("models/ops/echo.yaml", replicas=4)
    read = store.get(Model, "ops", "echo")
    assert (read.spec.replicas, read.metadata.generation) == (4, 2)
    assert store.get(Model, "ops", "echo").metadata.generation == 2


def test_an_edit_that_changes_nothing_is_no_new_generation(store, home, model):
    store.apply(model())
    file = home / "models/ops/echo.yaml"
    file.write_text("# serves echoes\n" + file.read_text() + "  suspend: false\n")
    assert store.get(Model, "ops", "echo").metadata.generation == 1


def test_a_file_put_there_by_hand_is_a_resource(store, home):
    (home / "models/ops").mkdir(parents=True)
    (home / "models/ops/echo.yaml").write_text(
        "apiVersion: shoal.dev/v1alpha1\nkind: Model\nmetadata: {name: echo}\n"
        "spec: {source: {uri: 'file:weights'}}\n"
    )
    (read,) = store.list(Model)
    assert read.metadata.namespace == "ops"
    assert read.metadata.generation == 1
    assert read.spec.source.uri == (home / "models/ops/weights").as_uri()


def test_a_file_removed_by_hand_is_a_resource_gone(store, home, model):
    first = store.apply(model()).resource
    (home / "models/ops/echo.yaml").unlink()
    assert store.get(Model, "ops", "echo") is None
    assert store.apply(model()).verb == "created"
    assert store.get(Model, "ops", "echo").metadata.uid != first.metadata.uid


@pytest.mark.parametrize("text", ["", "spec: [", "kind: Model\nspec: {replicas: -1}\n", "\xff"])
def test_a_broken_edit_leaves_the_resource_as_it_was(store, home, model, text):
    before = store.apply(model(replicas=2)).resource
    (home / "models/ops/echo.yaml").write_text(text, encoding="latin-1")
    assert store.get(Model, "ops", "echo") == before
    assert store.list(Model) == [before]
    (problem,) = store.invalid(Model)
    assert "echo.yaml" in str(problem)


def test_a_broken_edit_is_mended_by_an_apply(store, home, model):
    store.apply(model())
    (home / "models/ops/echo.yaml").write_text("spec: [")
    assert store.apply(model()).verb == "configured"
    assert store.invalid(Model) == []


def test_a_file_that_never_made_sense_hides_no_other(store, home, model):
    store.apply(model())
    (home / "models/ops/odd.yaml").write_text("kind: Model\n")
    assert [one.metadata.name for one in store.list(Model)] == ["echo"]
    with pytest.raises(InvalidResource, match="apiVersion"):
        store.get(Model, "ops", "odd")


def test_a_file_must_be_named_after_its_resource(store, home, model):
    store.apply(model())
    (home / "models/ops/echo.yaml").rename(home / "models/ops/other.yaml")
    with pytest.raises(InvalidResource, match="expected Model ops other, as the file is named"):
        store.get(Model, "ops", "other")


def test_a_status_file_that_makes_no_sense_is_written_anew(store, home, model, caplog):
    store.apply(model())
    (home / "models/ops/echo.status.yaml").write_text("status: {conditions: 3}")
    assert store.get(Model, "ops", "echo").metadata.generation == 1
    assert "echo.status.yaml" in caplog.text


def test_a_fleet_has_no_namespace(store, home):
    fleet = parse_resource(
        {
            "apiVersion": "shoal.dev/v1alpha1",
            "kind": "Fleet",
            "metadata": {"name": "default"},
            "spec": {"pools": [{"name": "local"}]},
        }
    )
    store.apply(fleet)
    assert (home / "fleets/default.yaml").exists()
    assert store.get(Fleet, "anything", "default").spec == fleet.spec
    assert store.list(Fleet, "anything") != []


def test_a_ray_service_is_kept_like_the_rest(store):
    service = RayService(
        metadata=ObjectMeta(name="default", namespace="shoal-system"),
        spec=RayServiceSpec(serve_config='{"applications": []}'),
    )
    assert store.apply(service).verb == "created"
    status = RayServiceStatus(num_serve_endpoints=1)
    store.report(service.model_copy(update={"status": status}))
    read = store.get(RayService, "shoal-system", "default")
    assert read.spec == service.spec
    assert read.status == status


def test_two_stores_of_one_home_agree(store, home, model):
    other = type(store)(home)
    store.apply(model())
    assert other.get(Model, "ops", "echo") == store.get(Model, "ops", "echo")
    other.apply(model(replicas=5))
    assert store.get(Model, "ops", "echo").spec.replicas == 5
