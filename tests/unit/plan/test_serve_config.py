"""What Ray Serve is told, and how little of it moves."""

import json
from datetime import timedelta

import pytest

from shoal.api.rayservice import ApplicationStatus
from shoal.plan.serve_config import RETRY_FIRST_S, RETRY_MOST_S
from shoal.plan.told import told_attempt, told_model
from shoal.testing import (
    POD_SITE,
    a_failure,
    a_fleet,
    a_model,
    a_ray_service,
    a_replica,
    an_application,
)

NAME = "ops.alarm-triage"


def applications(text):
    return {one["name"]: one for one in json.loads(text)["applications"]}


def moved(one, other, path=""):
    """The paths at which two JSON values differ."""
    if isinstance(one, dict) and isinstance(other, dict):
        keys = sorted(one.keys() | other.keys())
        return [p for key in keys for p in moved(one.get(key), other.get(key), f"{path}.{key}")]
    if isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        pairs = enumerate(zip(one, other, strict=True))
        return [p for at, (a, b) in pairs for p in moved(a, b, f"{path}.{at}")]
    return [] if one == other else [path]


def test_an_application_carries_the_model(world):
    world.edit(resources={"cpu": "1500m", "memory": "2Gi"}, replicas=2)
    application = applications(world.tell())[NAME]
    deployment = application["deployments"][0]
    assert application["route_prefix"] == "/ops/alarm-triage"
    assert application["args"]["threads"] == 2
    assert application["args"]["memory"] == 2 * 2**30
    assert application["args"]["maxBodyBytes"] == 64 * 2**20
    assert deployment["ray_actor_options"] == {"num_cpus": 1.5, "memory": 2 * 2**30}
    assert deployment["num_replicas"] == 2
    assert deployment["max_surge_percent"] == 100
    assert list(deployment["user_config"]["models"]) == ["ops/alarm-triage"]


GPU_POOL = {"name": "l4", "gpu": {"product": "NVIDIA-L4", "count": 2, "memory": "22Gi"}}


@pytest.mark.parametrize(
    ("gpu", "gpus", "memory"),
    [
        ({"memory": "6Gi"}, 0.2728, 6 * 2**30),
        ({}, 1, None),
        ({"count": 2}, 2, None),
    ],
)
def test_a_replica_on_a_gpu_has_its_part_and_knows_it(world, gpu, gpus, memory):
    world.site, world.fleet = POD_SITE, a_fleet(pools=({"name": "cpu"}, GPU_POOL))
    world.edit(resources={"gpu": gpu})
    application = applications(world.tell())[NAME]
    assert application["deployments"][0]["ray_actor_options"] == {
        "num_cpus": 0.5,
        "num_gpus": gpus,
        "resources": {"shoal_pool_l4": 0.001},
    }
    assert (application["args"]["gpu"], application["args"]["gpuMemory"]) == (True, memory)


def test_a_replica_on_processors_runs_in_its_pool(world):
    world.site = POD_SITE
    application = applications(world.tell())[NAME]
    options = application["deployments"][0]["ray_actor_options"]
    assert options == {"num_cpus": 0.5, "resources": {"shoal_pool_local": 0.001}}
    assert application["args"]["gpu"] is False


def test_another_pool_moves_nobody(world):
    world.site = POD_SITE
    world.look()
    before = applications(world.tell())
    world.fleet = a_fleet(pools=({"name": "first"}, {"name": "local"}))
    after = applications(world.tell())
    assert {name: after[name] for name in before} == before
    assert set(after) - set(before) == {"shoal-door-first"}


def scaling(world):
    deployment = applications(world.tell())[NAME]["deployments"][0]
    return deployment["num_replicas"], deployment.get("autoscaling_config")


def test_a_model_scales_by_its_requests(world):
    world.edit(
        scaling={
            "min_replicas": 2,
            "max_replicas": 6,
            "target_ongoing_requests": 4,
            "idle_timeout": "90s",
        }
    )
    assert scaling(world) == (
        "auto",
        {
            "min_replicas": 2,
            "max_replicas": 6,
            "target_ongoing_requests": 4,
            "upscale_delay_s": 2.0,
            "downscale_delay_s": 90.0,
            "downscale_to_zero_delay_s": 90.0,
        },
    )


def test_a_model_that_may_have_no_replica_keeps_one_until_each_generation_is_proven(world):
    world.edit(scaling={"min_replicas": 0})
    assert scaling(world)[1]["min_replicas"] == 1
    world.replicas, world.answers = [a_replica(world.model)], True
    world.look()
    assert scaling(world)[1]["min_replicas"] == 0
    world.edit(source={"uri": "file:///models/next"})
    assert scaling(world)[1]["min_replicas"] == 1


def test_a_model_that_is_recreated_gives_its_place_up_first(world):
    world.edit(rollout="Recreate")
    assert applications(world.tell())[NAME]["deployments"][0]["max_surge_percent"] == 0


def test_the_fleet_decides_the_address_and_the_limits_of_requests(world):
    world.fleet = a_fleet(network={"max_body_size": "1Mi", "access_log": True})
    text = world.tell()
    assert json.loads(text)["http_options"] == {"host": "127.0.0.1", "port": 8000}
    args = applications(text)[NAME]["args"]
    assert (args["maxBodyBytes"], args["accessLog"]) == (2**20, True)


def test_the_ledger_is_always_there(world):
    world.edit(suspend=True)
    assert list(applications(world.tell())) == ["shoal-ledger"]


def test_nothing_changes_when_nothing_changed(served):
    assert served.tell() == served.tell()


def test_the_order_of_models_does_not_matter(world):
    others = (a_model("a"), a_model("z"), a_model("m", "aaa"))
    world.others = others
    text = world.tell()
    world.others = tuple(reversed(others))
    assert world.tell() == text


@pytest.mark.parametrize(
    ("spec", "fields"),
    [
        ({"replicas": 3}, [".deployments.0.num_replicas"]),
        ({"batching": {"max_batch_size": 8}}, ["wanted.batching.maxBatchSize"]),
        ({"batching": {"timeout": "5s"}}, ["wanted.batching.timeout"]),
        ({"source": {"uri": "file:///models/next"}}, ["fallback", "cached", "source.uri"]),
        ({"task": "text-ranking"}, ["fallback", "wanted.task"]),
        ({"resources": {"cpu": "2"}}, [".args.threads", ".ray_actor_options.num_cpus"]),
        ({"resources": {"cpu": "400m"}}, [".ray_actor_options.num_cpus"]),
        ({"rollout": "Recreate"}, [".deployments.0.max_surge_percent"]),
        (
            {"scaling": {"max_replicas": 3}},
            [".deployments.0.autoscaling_config", ".deployments.0.num_replicas"],
        ),
        ({"resources": {"memory": "1Gi"}}, [".args.memory", ".ray_actor_options.memory"]),
    ],
)
def test_an_edit_moves_only_what_it_must(served, spec, fields):
    served.others = (a_model("other"),)
    before = applications(served.tell())
    served.edit(**spec)
    after = applications(served.tell())
    assert {name for name in after if after[name] != before[name]} == {NAME}
    paths = [path for path in moved(before[NAME], after[NAME]) if not path.endswith("generation")]
    assert len(paths) == len(fields)
    assert all(path.endswith(field) for path, field in zip(paths, fields, strict=True))


@pytest.mark.parametrize(
    ("spec", "field"),
    [
        ({"precision": "int8"}, "wanted.precision"),
        ({"generation": {"max_sequences": 4}}, "wanted.textGeneration.maxSequences"),
        ({"generation": {"prefix_cache": "0"}}, "wanted.textGeneration.prefixCache"),
    ],
)
def test_how_text_is_generated_changes_in_place(world, spec, field):
    """In `user_config`, and so by the replicas that run."""
    world.edit(task="text-generation")
    before = applications(world.tell())[NAME]
    world.edit(**spec)
    paths = moved(before, applications(world.tell())[NAME])
    model = ".deployments.0.user_config.models.ops/alarm-triage"
    assert paths == [f"{model}.wanted.generation", f"{model}.{field}"]


def test_defaults_that_are_said_change_nothing(world):
    world.edit(task="text-generation")
    before = applications(world.tell())[NAME]
    world.edit(generation={}, precision="auto")
    paths = moved(before, applications(world.tell())[NAME])
    assert [path.rpartition(".")[2] for path in paths] == ["generation"]


@pytest.mark.parametrize("spec", [{"suspend": True}, {"replicas": 0}])
def test_a_model_that_asks_for_no_replicas_is_absent(served, spec):
    served.edit(**spec)
    assert NAME not in applications(served.tell())


def test_metadata_alone_changes_nothing(served):
    before = served.tell()
    labels = served.model.metadata.model_copy(update={"labels": {"team": "ops"}})
    served.model = served.model.model_copy(update={"metadata": labels})
    assert served.tell() == before


def gave_up(world, **said):
    """Ray Serve gave up, and the status says so."""
    world.replicas = [a_replica(world.model, "Failed", failure=a_failure(time=world.now, **said))]
    world.application = an_application("DEPLOY_FAILED", "NothingLoaded")
    world.look()


def attempt(world):
    return applications(world.tell())[NAME]["args"]["attempt"]


def test_an_application_that_gave_up_is_tried_again_when_that_may_help(world):
    world.tell()
    gave_up(world, retriable=True)
    assert attempt(world) == 0
    world.now += timedelta(seconds=RETRY_FIRST_S)
    assert attempt(world) == 1
    gave_up(world, retriable=True)
    world.now += timedelta(seconds=RETRY_FIRST_S)
    assert attempt(world) == 1
    world.now += timedelta(seconds=RETRY_FIRST_S)
    assert attempt(world) == 2


def test_the_wait_between_attempts_has_an_end(world):
    text = world.tell().replace('"attempt": 0', '"attempt": 500')
    world.service = a_ray_service(text)
    gave_up(world, retriable=True)
    world.now += timedelta(seconds=RETRY_MOST_S - 2)
    assert attempt(world) == 500
    world.now += timedelta(seconds=2)
    assert attempt(world) == 501


def test_no_attempt_is_made_while_applications_are_being_built(world):
    world.tell()
    gave_up(world, retriable=True)
    world.now += timedelta(days=1)
    world.beside = {"ops.other": ApplicationStatus(status="DEPLOYING")}
    assert attempt(world) == 0
    world.beside = {}
    assert attempt(world) == 1


def test_the_wait_begins_anew_with_each_generation(world):
    world.service = a_ray_service(world.tell().replace('"attempt": 0', '"attempt": 7'))
    world.edit(source={"uri": "file:///models/next"})
    world.tell()
    gave_up(world, retriable=True)
    world.now += timedelta(seconds=RETRY_FIRST_S)
    assert attempt(world) == 8
    gave_up(world, retriable=True)
    world.now += timedelta(seconds=RETRY_FIRST_S)
    assert attempt(world) == 8
    world.now += timedelta(seconds=RETRY_FIRST_S)
    assert attempt(world) == 9


def test_a_failure_that_needs_a_change_is_not_tried_again(world):
    world.tell()
    gave_up(world)
    world.now += timedelta(days=1)
    assert attempt(world) == 0


def test_a_new_generation_is_tried_at_once_without_another_process(world):
    world.tell()
    gave_up(world, retriable=True)
    world.now += timedelta(days=1)
    world.edit(source={"uri": "file:///models/next"})
    assert attempt(world) == 0


def test_an_attempt_is_never_taken_back(served):
    text = served.tell().replace('"attempt": 0', '"attempt": 3')
    served.service = a_ray_service(text)
    served.edit(batching={"max_batch_size": 2})
    assert attempt(served) == 3


@pytest.mark.parametrize(
    "text",
    ["", "applications: []", "[]", "null", '{"applications": [{"name": "ops.alarm-triage"}]}'],
)
def test_a_configuration_of_others_tells_nothing(text):
    assert told_model(text, NAME, "ops/alarm-triage") is None
    assert told_attempt(text, NAME) == 0
