"""Which Models find a place in a Fleet that cannot hold all of them."""

import json
from dataclasses import replace
from datetime import timedelta

import pytest

from shoal.api import MAX_MODELS, Reason
from shoal.plan.fleet_status import fleet_status
from shoal.plan.observed import ObservedFleet, ObservedModel
from shoal.plan.placement import fleet_is_full, served_models
from shoal.plan.seats import MOST_BYTES, is_crowded, size_of
from shoal.plan.serve_config import serve_config
from shoal.testing import (
    NOW,
    POD_SITE,
    SITE,
    a_fleet,
    a_model,
    a_ray_service,
    a_replica,
    changed,
)


def refused_a_seat(model, fleet):
    return fleet_is_full(ObservedModel(model, fleet))


def a_crowd(count, **said):
    """Models, each a minute younger than the one before."""
    return [a_model(f"m-{at}", created=NOW + timedelta(minutes=at), **said) for at in range(count)]


def test_the_youngest_model_finds_the_fleet_full():
    models = a_crowd(MAX_MODELS + 1)
    fleet = ObservedFleet(a_fleet(), SITE, tuple(reversed(models)))
    refused = [model for model in models if refused_a_seat(model, fleet)]
    assert refused == [models[-1]]
    said = refused_a_seat(models[-1], fleet)
    assert said.reason is Reason.FLEET_FULL
    assert "Delete or suspend one, or name another Fleet" in said.message
    assert models[-1] not in served_models(fleet)
    assert len(served_models(fleet)) == MAX_MODELS


def test_models_of_one_age_are_told_apart_by_name():
    models = tuple(a_model(f"m-{at:03}") for at in range(MAX_MODELS + 1))
    fleet = ObservedFleet(a_fleet(), SITE, tuple(reversed(models)))
    assert refused_a_seat(models[-1], fleet) is not None
    assert refused_a_seat(models[0], fleet) is None


def test_a_suspended_model_takes_no_place_and_needs_none():
    *models, youngest = a_crowd(MAX_MODELS + 2)
    models[0] = a_model("m-0", suspend=True)
    models[1] = a_model("m-1", replicas=0)
    fleet = ObservedFleet(a_fleet(), SITE, (*models, youngest))
    assert refused_a_seat(youngest, fleet) is None
    assert refused_a_seat(models[0], fleet) is None
    assert [model.metadata.name for model in served_models(fleet)].count("m-0") == 0


def test_a_suspended_model_is_welcome_however_full_the_fleet_is():
    *models, youngest = a_crowd(MAX_MODELS + 1)
    waiting = youngest.model_copy(update={"spec": a_model(suspend=True).spec})
    assert refused_a_seat(youngest, ObservedFleet(a_fleet(), SITE, (*models, youngest))) is not None
    assert refused_a_seat(waiting, ObservedFleet(a_fleet(), SITE, (*models, waiting))) is None


def told(fleet):
    """The Fleet, once its RayService holds what it serves."""
    return replace(fleet, ray_service=a_ray_service(json.dumps(serve_config(fleet, NOW))))


def a_chat(name="chat", adapters=128, characters=2048, **said):
    address = "https://example.com/" + "x" * (characters - 24)
    named = [{"name": f"a-{at:03}", "uri": f"{address}{at:04}"} for at in range(adapters)]
    model = a_model(name, task="text-generation", **said)
    return changed(model, generation={"adapters": named})


@pytest.mark.parametrize(
    "hopeless",
    [
        {"namespace": "elsewhere"},
        {"resources": {"gpu": {}}},
        {"source": {"uri": "https://example.com/m", "secret_name": "none"}},
    ],
)
def test_a_model_that_cannot_be_served_anyway_takes_no_place(hopeless):
    older = [a_model(f"m-{at}", **{"namespace": "ops", **hopeless}) for at in range(MAX_MODELS)]
    young = a_model("young", created=NOW + timedelta(days=1))
    fleet = ObservedFleet(
        a_fleet(allowed_namespaces={"match_labels": {"team": "ops"}}),
        POD_SITE,
        (*older, young),
        namespaces={"ops": {"team": "ops"}},
        secrets={("ops", "none"): Reason.SECRET_NOT_FOUND},
    )
    assert served_models(fleet) == [young]
    assert refused_a_seat(young, fleet) is None


def test_a_model_that_is_resumed_takes_no_place_of_one_that_serves():
    oldest, *others = a_crowd(MAX_MODELS + 1)
    fleet = told(ObservedFleet(a_fleet(), SITE, tuple(others)))
    fleet = replace(fleet, models=(oldest, *others))
    assert refused_a_seat(oldest, fleet) is not None
    edited = changed(others[7], source={"uri": "file:///models/next"})
    fleet = replace(
        fleet, models=tuple(edited if one is others[7] else one for one in fleet.models)
    )
    assert refused_a_seat(edited, fleet) is None
    assert oldest not in served_models(fleet)


def test_a_model_that_makes_the_configuration_too_large_is_refused():
    large = [a_chat(f"m-{at}", created=NOW + timedelta(minutes=at)) for at in range(4)]
    young = a_model("young", created=NOW + timedelta(days=1))
    fleet = ObservedFleet(a_fleet(), POD_SITE, (*large, young))
    assert served_models(fleet) == [large[0], young]
    assert len(json.dumps(json.dumps(serve_config(fleet, NOW)))) < MOST_BYTES
    said = refused_a_seat(large[1], fleet)
    assert said.reason is Reason.FLEET_FULL
    assert said.message.startswith(
        "The configuration of Fleet 'default' has 425.8 KiB left of 1 MiB"
    )
    assert "this Model may take 595.9 KiB. Name fewer adapters" in said.message
    status = fleet_status(fleet, NOW)
    assert status.models.bytes == sum(size_of(model) for model in fleet.models)
    assert is_crowded(fleet.fleet.model_copy(update={"status": status}))


def test_a_model_that_grows_takes_no_place_of_one_that_serves():
    models = tuple(a_chat(f"m-{at}", adapters=60) for at in range(3))
    fleet = told(ObservedFleet(a_fleet(), POD_SITE, models))
    assert len(served_models(fleet)) == 3
    grown = changed(models[0], generation=a_chat(adapters=128).spec.generation)
    fleet = replace(fleet, models=(grown, *models[1:]))
    assert served_models(fleet) == list(models[1:])


def test_an_ordinary_crowd_is_far_from_too_large():
    fleet = ObservedFleet(a_fleet(), POD_SITE, tuple(a_crowd(MAX_MODELS, task="text-generation")))
    assert len(served_models(fleet)) == MAX_MODELS
    assert not is_crowded(fleet.fleet.model_copy(update={"status": fleet_status(fleet, NOW)}))


@pytest.mark.parametrize("make", [a_model, a_chat])
def test_no_application_is_larger_than_it_may_be(world, make):
    world.model, world.site = make("alarm-triage", replicas=3), POD_SITE
    world.tell()
    digests = {f"a-{at:03}": "sha256:" + "b" * 64 for at in range(128)}
    world.replicas = [a_replica(world.model, adapters=digests if make is a_chat else {})]
    world.look()
    world.edit(source={"uri": 'https://example.com/"' + "\\" * 2000})
    *_, application = json.loads(world.tell())["applications"]
    models = application["deployments"][0]["user_config"]["models"]
    assert models["ops/alarm-triage"]["fallback"]["cached"]
    assert len(json.dumps(json.dumps(application))) < size_of(world.model)
