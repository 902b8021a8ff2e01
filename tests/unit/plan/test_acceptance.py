"""Whom a Fleet serves at all."""

import pytest

from shoal.api import Reason
from shoal.plan.acceptance import refusal
from shoal.plan.observed import ObservedFleet, ObservedModel
from shoal.plan.placement import served_models
from shoal.testing import SITE, a_fleet, a_model


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
        ({"weights": Reason.SECRET_UNAVAILABLE}, "SecretUnavailable", "It is asked again."),
        ({"adapters": {"token": "A" * 21852}}, "SecretUnavailable", "'token' of Secret 'adapters'"),
    ],
)
def test_a_model_whose_secret_cannot_be_had_is_refused(world, secrets, reason, words):
    with_secrets(world, **secrets)
    refused = refusal(world.observed)
    assert refused.reason == reason
    assert words in refused.message


def test_a_model_whose_secrets_are_there_is_accepted(world):
    with_secrets(world, weights={"token": "A" * 21844, "x": "A" * 9**6}, adapters={})
    assert refusal(world.observed) is None


def test_a_model_that_serves_outlives_its_secret(world):
    with_secrets(world)
    world.tell()
    with_secrets(world, weights=Reason.SECRET_NOT_FOUND)
    assert refusal(world.observed) is None
    assert world.model in served_models(world.observed_fleet)
