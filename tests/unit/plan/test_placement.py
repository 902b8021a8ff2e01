from datetime import timedelta

from shoal.api import MAX_MODELS, Reason
from shoal.plan.observed import ObservedFleet, ObservedModel
from shoal.plan.placement import refusal, served_models
from shoal.testing import NOW, SITE, a_fleet, a_model


def a_crowd(count):
    """Models, each a minute younger than the one before."""
    return [a_model(f"m-{at}", created=NOW + timedelta(minutes=at)) for at in range(count)]


def test_the_youngest_model_finds_the_fleet_full():
    models = a_crowd(MAX_MODELS + 1)
    fleet = ObservedFleet(a_fleet(), SITE, tuple(reversed(models)))
    refused = [model for model in models if refusal(ObservedModel(model, fleet))]
    assert refused == [models[-1]]
    said = refusal(ObservedModel(models[-1], fleet))
    assert said.reason is Reason.FLEET_FULL
    assert "Delete or suspend one, or name another Fleet" in said.message
    assert models[-1] not in served_models(fleet)
    assert len(served_models(fleet)) == MAX_MODELS


def test_models_of_one_age_are_told_apart_by_name():
    models = tuple(a_model(f"m-{at:03}") for at in range(MAX_MODELS + 1))
    fleet = ObservedFleet(a_fleet(), SITE, tuple(reversed(models)))
    assert refusal(ObservedModel(models[-1], fleet)) is not None
    assert refusal(ObservedModel(models[0], fleet)) is None


def test_a_suspended_model_takes_no_place_and_needs_none():
    *models, youngest = a_crowd(MAX_MODELS + 2)
    models[0] = a_model("m-0", suspend=True)
    models[1] = a_model("m-1", replicas=0)
    fleet = ObservedFleet(a_fleet(), SITE, (*models, youngest))
    assert refusal(ObservedModel(youngest, fleet)) is None
    assert refusal(ObservedModel(models[0], fleet)) is None
    assert [model.metadata.name for model in served_models(fleet)].count("m-0") == 0


def test_a_suspended_model_is_welcome_however_full_the_fleet_is():
    *models, youngest = a_crowd(MAX_MODELS + 1)
    waiting = youngest.model_copy(update={"spec": a_model(suspend=True).spec})
    fleet = ObservedFleet(a_fleet(), SITE, (*models, waiting))
    assert refusal(ObservedModel(waiting, fleet)) is None
    assert refusal(ObservedModel(youngest, fleet)) is not None


def test_a_fleet_that_does_not_exist_is_named():
    said = refusal(ObservedModel(a_model(fleet="gone")))
    assert said.reason is Reason.FLEET_NOT_FOUND
    assert "'gone'" in said.message


def test_served_models_come_in_a_stable_order():
    models = [a_model("b"), a_model("a"), a_model("c", "aaa")]
    fleet = ObservedFleet(a_fleet(), SITE, tuple(models))
    assert [model.metadata.name for model in served_models(fleet)] == ["c", "a", "b"]
