"""Whom a Fleet serves at all."""

from datetime import timedelta

import pytest

from shoal.api import MAX_MODELS, Reason
from shoal.plan.acceptance import refusal
from shoal.plan.observed import ObservedFleet, ObservedModel
from shoal.plan.placement import served_models
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


@pytest.mark.parametrize(
    ("selector", "labels", "words"),
    [
        ({"match_labels": {"team": "ml"}}, {"team": "ml"}, None),
        ({"match_labels": {"team": "ml", "a": "b"}}, {"team": "ml"}, "a=b,team=ml"),
        (
            {"match_expressions": [{"key": "tier", "operator": "In", "values": ["a", "b"]}]},
            {"tier": "c"},
            "tier in (a,b)",
        ),
        (
            {"match_expressions": [{"key": "tier", "operator": "NotIn", "values": ["c"]}]},
            {"tier": "c"},
            "tier notin (c)",
        ),
        ({"match_expressions": [{"key": "x", "operator": "Exists"}]}, {}, "x"),
        ({"match_expressions": [{"key": "x", "operator": "DoesNotExist"}]}, {"x": ""}, "!x"),
    ],
)
def test_a_fleet_serves_the_namespaces_that_it_allows(selector, labels, words):
    fleet = ObservedFleet(a_fleet(allowed_namespaces=selector), SITE, namespaces={"ops": labels})
    said = refusal(ObservedModel(a_model(), fleet))
    if words is None:
        assert said is None
    else:
        assert said.reason is Reason.NAMESPACE_NOT_ALLOWED
        assert f"with the labels {words}; namespace 'ops' has others" in said.message


def with_secrets(world, **found):
    """The Model names two Secrets, of which this was found."""
    adapter = {"name": "a", "uri": "https://example.com/a", "secret_name": "adapters"}
    world.edit(
        task="text-generation",
        source={"uri": "https://example.com/m", "secret_name": "weights"},
        generation={"adapters": [adapter]},
    )
    world.surroundings = {"secrets": {("ops", name): one for name, one in found.items()}}


@pytest.mark.parametrize(
    ("secrets", "reason", "words"),
    [
        ({"weights": Reason.SECRET_NOT_FOUND}, "SecretNotFound", "no Secret 'weights' in"),
        ({"adapters": Reason.SECRET_NOT_FOUND}, "SecretNotFound", "no Secret 'adapters' in"),
        ({"weights": Reason.SECRET_FORBIDDEN}, "SecretForbidden", "may not read Secret 'weights'"),
    ],
)
def test_a_model_whose_secret_cannot_be_had_is_refused(world, secrets, reason, words):
    with_secrets(world, **secrets)
    refused = refusal(world.observed)
    assert refused.reason == reason
    assert words in refused.message


def test_a_model_whose_secrets_are_there_is_accepted(world):
    with_secrets(world, weights={"token": "eA=="}, adapters={})
    assert refusal(world.observed) is None


def test_a_model_that_serves_outlives_its_secret(world):
    with_secrets(world)
    world.tell()
    with_secrets(world, weights=Reason.SECRET_NOT_FOUND)
    assert refusal(world.observed) is None
    assert world.model in served_models(world.observed_fleet)
