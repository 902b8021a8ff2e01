"""The life of a Model, as its status tells it."""

import pytest

from shoal.api import ConditionType, Reason
from shoal.plan.conditions import condition
from shoal.testing import POD_SITE, a_failure, a_fleet, a_replica, an_application

READY, LOADED = ConditionType.READY, ConditionType.LOADED


def types(world):
    return [condition.type.value for condition in world.model.status.conditions]


def test_a_model_is_first_unready_because_its_fleet_is(world):
    world.reachable, world.replicas = False, None
    world.look()
    assert types(world) == ["Accepted", "Placed", "Loaded", "Ready", "Reconciling"]
    assert world.says() == ("False", "FleetNotReady", 1)
    assert "http://fleet:8000 does not answer" in world.condition(READY).message


def test_a_model_is_pending_until_the_fleet_is_told(world):
    world.look()
    assert world.says() == ("False", "Pending", 1)
    world.tell()
    world.look()
    assert world.says() == ("False", "Starting", 1)


def test_a_load_says_how_far_it_is(world):
    world.tell()
    progress = {"step": "download", "done": 3 * 2**20, "total": 12 * 2**20}
    world.replicas = [a_replica(world.model, "Loading", progress=progress)]
    world.look()
    assert world.says() == ("False", "Loading", 1)
    assert "0 of 1 replicas loaded generation 1; download 3.0/12.0 MiB" in (
        world.condition(LOADED).message
    )


@pytest.mark.parametrize(
    ("progress", "words"),
    [
        (None, "loading"),
        ({"step": "load"}, "load"),
        ({"step": "warm", "done": 2, "total": 6}, "warm 2/6"),
        ({"step": "copy", "done": 0, "total": 0}, "copy 0.0/0.0 MiB"),
    ],
)
def test_every_step_of_a_load_has_words(world, progress, words):
    world.tell()
    world.replicas = [a_replica(world.model, "Loading", progress=progress)]
    world.look()
    assert world.condition(LOADED).message.endswith(f"; {words}")


def test_loaded_is_not_ready_until_the_url_answers(world):
    world.tell()
    world.replicas = [a_replica(world.model)]
    status = world.look()
    assert world.says(LOADED) == ("True", "Loaded", 1)
    assert world.says() == ("False", "Routing", 1)
    assert world.says(ConditionType.RECONCILING) == ("True", "Routing", 1)
    world.answers = True
    status = world.look()
    assert world.says() == ("True", "Ready", 1)
    assert types(world) == ["Accepted", "Placed", "Loaded", "Ready"]
    assert {one.status for one in status.conditions} == {"True"}
    assert [one.reason.value for one in status.conditions] == types(world)
    assert status.url == "http://fleet:8000/ops/alarm-triage"
    assert (status.revision, status.replicas.ready, status.placement.pool) == (
        "00000001",
        1,
        "local",
    )


def test_two_replicas_are_ready_when_both_are(world):
    world.edit(replicas=2)
    world.tell()
    world.answers = True
    world.replicas = [a_replica(world.model), a_replica(world.model, "Loading")]
    world.look()
    world.look()
    assert world.says() == ("False", "Loading", 2)
    world.replicas = [a_replica(world.model), a_replica(world.model)]
    world.look()
    assert world.says() == ("True", "Ready", 2)


def test_a_rollout_keeps_ready_with_the_generation_that_serves(served):
    served.edit(source={"uri": "file:///models/next"})
    served.look()
    assert served.says() == ("True", "RollingOut", 1)
    assert served.says(LOADED) == ("False", "Pending", 2)
    assert served.says(ConditionType.RECONCILING) == ("True", "Pending", 2)
    served.tell()
    served.replicas = [a_replica(served.model, "Loading", serves=1)]
    status = served.look()
    assert served.says() == ("True", "RollingOut", 1)
    assert (status.observed_generation, status.revision) == (2, "00000001")
    served.replicas = [a_replica(served.model)]
    status = served.look()
    assert served.says() == ("True", "Ready", 2)
    assert status.revision == "00000002"


def test_a_swap_that_fails_leaves_the_old_revision_ready_and_says_why(served):
    served.edit(source={"uri": "file:///models/broken"})
    served.tell()
    failure = a_failure(Reason.MODEL_LOAD_FAILED)
    served.replicas = [a_replica(served.model, "Failed", serves=1, failure=failure)]
    status = served.look()
    assert served.says() == ("True", "ModelLoadFailed", 1)
    assert served.says(ConditionType.STALLED) == ("True", "ModelLoadFailed", 2)
    assert served.condition(ConditionType.RECONCILING) is None
    assert (status.last_failure, status.revision) == (failure, "00000001")
    assert failure.action in served.condition(LOADED).message


def test_a_model_that_is_mended_forgets_its_failure(served):
    served.edit(source={"uri": "file:///models/broken"})
    served.tell()
    served.replicas = [a_replica(served.model, "Failed", serves=1, failure=a_failure())]
    served.look()
    served.edit(source={"uri": "file:///models/whole"})
    status = served.look()
    assert status.last_failure is None
    assert served.condition(ConditionType.STALLED) is None
    served.tell()
    served.replicas = [a_replica(served.model)]
    served.look()
    assert served.says() == ("True", "Ready", 3)


def test_a_failure_that_may_pass_does_not_stall(served):
    served.edit(source={"uri": "https://example.com/model.onnx"})
    served.tell()
    failure = a_failure(Reason.ARTIFACT_UNAVAILABLE, retriable=True)
    served.replicas = [a_replica(served.model, "Failed", serves=1, failure=failure)]
    status = served.look()
    assert served.says(ConditionType.RECONCILING) == ("True", "ArtifactUnavailable", 2)
    assert served.condition(ConditionType.STALLED) is None
    served.replicas = [a_replica(served.model, "Loading", serves=1, failure=failure)]
    status = served.look()
    assert served.says(LOADED) == ("False", "Loading", 2)
    assert status.last_failure == failure


def test_the_newest_failure_of_several_replicas_is_told(served):
    served.edit(replicas=2, source={"uri": "file:///models/broken"})
    served.tell()
    older = a_failure(Reason.DIGEST_MISMATCH)
    newer = a_failure(Reason.MEMORY_EXCEEDED, time=served.now)
    served.replicas = [
        a_replica(served.model, "Failed", serves=1, failure=older),
        a_replica(served.model, "Failed", serves=1, failure=newer),
    ]
    status = served.look()
    assert status.last_failure == newer
    assert served.says(ConditionType.STALLED)[1] == "MemoryExceeded"


def test_a_replica_that_failed_is_told_before_one_that_tries_again(served):
    served.edit(replicas=2, source={"uri": "https://example.com/model.onnx"})
    served.tell()
    failed = a_failure(Reason.MEMORY_EXCEEDED)
    passing = a_failure(Reason.ARTIFACT_UNAVAILABLE, retriable=True, time=served.now)
    served.replicas = [
        a_replica(served.model, "Loading", serves=1, failure=passing),
        a_replica(served.model, "Failed", serves=1, failure=failed),
    ]
    assert served.look().last_failure == failed


def test_scaling_up_is_ready_with_the_old_generation_until_all_are_there(served):
    served.edit(replicas=3)
    served.tell()
    served.replicas = [a_replica(served.model)]
    status = served.look()
    assert served.says() == ("True", "RollingOut", 1)
    assert (status.replicas.desired, status.replicas.ready) == (3, 1)
    served.replicas = [a_replica(served.model)] * 3
    served.look()
    assert served.says() == ("True", "Ready", 2)


def test_one_lost_replica_of_two_leaves_the_model_ready_and_reconciling(world):
    world.edit(replicas=2)
    world.tell()
    world.answers, world.replicas = True, [a_replica(world.model)] * 2
    world.look()
    world.replicas = [a_replica(world.model)]
    status = world.look()
    assert world.says() == ("True", "Starting", 2)
    assert world.says(LOADED) == ("False", "Starting", 2)
    assert world.condition(ConditionType.RECONCILING) is not None
    assert status.replicas.ready == 1


def test_a_replica_that_cannot_come_back_is_told_although_the_model_is_ready(world):
    world.edit(replicas=2)
    world.tell()
    world.answers, world.replicas = True, [a_replica(world.model)] * 2
    world.look()
    failure = a_failure(Reason.ARTIFACT_NOT_FOUND)
    world.replicas = [a_replica(world.model), a_replica(world.model, "Failed", failure=failure)]
    status = world.look()
    assert world.says() == ("True", "ArtifactNotFound", 2)
    assert world.says(ConditionType.STALLED)[0] == "True"
    assert status.last_failure == failure


def test_the_only_replica_lost_is_not_ready(served):
    served.replicas = []
    status = served.look()
    assert served.says() == ("False", "Starting", 1)
    assert (status.revision, status.replicas.ready) == (None, 0)


def test_a_replica_that_is_leaving_does_not_count(served):
    served.replicas = [a_replica(served.model, "Draining", serves=1)]
    served.look()
    assert served.says() == ("False", "Starting", 1)


def test_a_namesake_that_was_deleted_does_not_count(world):
    world.tell()
    world.answers, world.replicas = True, [a_replica(world.model, uid="of-another")]
    world.look()
    assert world.says() == ("False", "Starting", 1)


def test_a_fleet_that_goes_silent_takes_ready_with_it_and_gives_it_back(served):
    served.reachable = False
    served.look()
    assert served.says() == ("False", "FleetNotReady", 1)
    assert served.says(ConditionType.RECONCILING) == ("True", "FleetNotReady", 1)
    served.reachable = True
    served.look()
    assert served.says() == ("True", "Ready", 1)


def test_a_model_that_never_served_is_unready_with_its_newest_generation(world):
    world.tell()
    world.look()
    world.edit(replicas=2)
    world.reachable = False
    world.look()
    assert world.says() == ("False", "FleetNotReady", 2)


def test_a_failed_swap_is_ready_again_after_the_fleet_was_away(served):
    served.edit(source={"uri": "file:///models/broken"})
    served.tell()
    served.replicas = [a_replica(served.model, "Failed", serves=1, failure=a_failure())]
    served.look()
    served.reachable = False
    served.look()
    served.look()
    assert served.says() == ("False", "FleetNotReady", 1)
    served.reachable, served.answers = True, False
    served.look()
    assert served.says() == ("False", "Routing", 1)
    served.answers = True
    served.look()
    assert served.says() == ("True", "DigestMismatch", 1)


def test_a_lost_replica_does_not_keep_a_model_down_after_the_fleet_was_away(world):
    world.edit(replicas=2)
    world.tell()
    world.answers, world.replicas = True, [a_replica(world.model)] * 2
    world.look()
    world.replicas, world.reachable = None, False
    world.look()
    world.reachable = True
    world.look()
    assert world.says() == ("False", "FleetNotReady", 2)
    world.replicas, world.answers = [a_replica(world.model)], False
    world.look()
    assert world.says() == ("False", "Routing", 2)
    world.answers = True
    world.look()
    assert world.says() == ("True", "Starting", 2)


def test_a_restarted_replica_that_fell_back_makes_the_model_ready_again(served):
    served.edit(source={"uri": "file:///models/broken"})
    served.tell()
    served.replicas = []
    served.look()
    assert served.says() == ("False", "Starting", 2)
    served.replicas = [a_replica(served.model, "Failed", serves=1, failure=a_failure())]
    served.look()
    assert served.says() == ("True", "DigestMismatch", 1)


def test_a_silent_ledger_changes_nothing_while_the_address_answers(served):
    before = served.model.status
    served.replicas = None
    assert served.look() == before


def test_a_silent_ledger_proves_no_new_generation(served):
    served.edit(source={"uri": "file:///models/next"})
    served.tell()
    served.replicas = None
    served.look()
    assert served.says(LOADED) == ("False", "FleetNotReady", 2)
    assert served.says() == ("True", "RollingOut", 1)


def test_a_suspended_model_is_neither_ready_nor_waiting(served):
    served.edit(suspend=True)
    status = served.look()
    assert types(served) == ["Accepted", "Ready"]
    assert served.says() == ("False", "Suspended", 2)
    assert (status.replicas.desired, status.url) == (0, None)


def test_a_model_of_no_replicas_is_suspended(served):
    served.edit(replicas=0)
    served.look()
    assert served.condition(READY).message == "spec.replicas is 0."


def test_a_resumed_model_does_not_mistake_its_old_replicas_for_new_ones(served):
    old = served.replicas
    served.edit(suspend=True)
    served.look()
    served.edit(suspend=False)
    served.tell()
    served.replicas = [old[0].model_copy(update={"revision": None, "served_generation": None})]
    served.look()
    assert served.says() == ("False", "Starting", 3)


def test_a_model_without_its_fleet_is_refused_and_says_what_to_do(served):
    served.fleet = None
    status = served.look()
    assert types(served) == ["Accepted", "Ready", "Stalled"]
    assert [one.status for one in status.conditions] == ["False", "False", "True"]
    assert served.says() == ("False", "FleetNotFound", 1)
    assert "Create it, or name another in spec.fleet" in served.condition(READY).message
    assert status.url is None


GPU_POOLS = ({"name": "cpu"}, {"name": "l4", "gpu": {"count": 2, "memory": "22Gi"}})


def test_a_model_that_fits_nowhere_is_accepted_but_not_placed(world):
    world.site, world.fleet = POD_SITE, a_fleet(pools=GPU_POOLS)
    world.edit(resources={"gpu": {"memory": "40Gi"}})
    status = world.look()
    assert types(world) == ["Accepted", "Placed", "Ready", "Stalled"]
    assert [one.status for one in status.conditions] == ["True", "False", "False", "True"]
    assert world.says() == ("False", "NoPoolFits", 2)
    assert "the largest is 22 GiB on pool l4" in world.condition(READY).message
    assert (status.url, status.placement) == (None, None)
    assert world.events[-1].type == "Warning"


@pytest.mark.parametrize(
    ("gpu", "placement", "words"),
    [
        ({"memory": "5632Mi"}, ("l4", 0.25, "5632Mi", None), "Pool l4, 5.5 GiB of the 22 GiB of"),
        ({"count": 2}, ("l4", None, None, 2), "Pool l4, 2 whole GPUs."),
        (None, ("cpu", None, None, None), "Pool cpu."),
    ],
)
def test_a_placed_model_says_where_and_which_part_of_a_gpu_it_has(world, gpu, placement, words):
    world.site, world.fleet = POD_SITE, a_fleet(pools=GPU_POOLS)
    world.edit(resources={"gpu": gpu})
    told = world.look().placement
    assert (told.pool, told.gpu_share, told.gpu_memory, told.gpus) == placement
    assert world.condition(ConditionType.PLACED).message.startswith(words)


def test_a_namespace_that_the_fleet_does_not_allow_ends_what_it_serves(served):
    served.fleet = a_fleet(allowed_namespaces={"match_labels": {"team": "ml"}})
    served.look()
    assert served.says() == ("False", "NamespaceNotAllowed", 1)
    assert served.condition(ConditionType.STALLED) is not None
    assert "alarm-triage" not in served.tell()


def test_a_fleet_that_is_away_lends_its_reason(world):
    world.reachable = False
    forbidden = condition(world.fleet, READY, False, Reason.PODS_FORBIDDEN)
    status = world.fleet.status.model_copy(update={"conditions": (forbidden,)})
    world.fleet = world.fleet.model_copy(update={"status": status})
    world.look()
    assert world.condition(READY).message == (
        "http://fleet:8000 does not answer; Fleet 'default' says PodsForbidden."
    )


def test_people_are_told_the_url_by_which_they_reach_the_model(served):
    served.fleet = a_fleet(network={"ingress": {"host": "models.example.com"}})
    assert served.look().url == "http://models.example.com/ops/alarm-triage"


def test_a_replica_that_never_started_is_told_by_its_traceback(world):
    world.tell()
    traceback = "Traceback:\n  File x\n\x1b[36mImportError: no module named onnx\x1b[39m\n"
    world.application = an_application("DEPLOY_FAILED", traceback)
    status = world.look()
    assert world.says() == ("False", "ReplicaFailed", 1)
    assert status.last_failure.message == "ImportError: no module named onnx"
    assert "shoal logs model/alarm-triage" in status.last_failure.action
    assert world.condition(ConditionType.RECONCILING) is not None


def test_an_application_that_could_not_be_built_tells_its_own_message(world):
    world.tell()
    built = an_application("DEPLOY_FAILED").model_copy(update={"message": "ValueError: no"})
    world.application = built
    assert world.look().last_failure.message == "ValueError: no"


def test_what_a_replica_said_before_it_died_outlives_it(world):
    world.tell()
    failure = a_failure(Reason.ARTIFACT_NOT_FOUND)
    world.replicas = [a_replica(world.model, "Failed", failure=failure)]
    world.look()
    world.replicas, world.application = [], an_application("DEPLOY_FAILED", "NothingLoaded")
    status = world.look()
    assert status.last_failure == failure
    assert world.says(ConditionType.STALLED) == ("True", "ArtifactNotFound", 1)


def test_a_new_generation_is_not_blamed_for_the_failure_of_the_old_one(world):
    world.tell()
    world.application = an_application("DEPLOY_FAILED", "ImportError: onnx")
    world.look()
    world.edit(source={"uri": "file:///models/next"})
    status = world.look()
    assert world.says() == ("False", "Pending", 2)
    assert status.last_failure is None
    world.tell()
    world.service = world.service.model_copy(
        update={"metadata": world.service.metadata.model_copy(update={"generation": 2})}
    )
    world.look()
    assert world.says() == ("False", "Starting", 2)


def test_a_process_that_dies_again_fails_anew(world):
    world.tell()
    world.application = an_application("DEPLOY_FAILED", "ImportError: onnx")
    first = world.look().last_failure
    assert world.look(60).last_failure == first
    world.application = an_application("DEPLOYING")
    world.look()
    world.application = an_application("DEPLOY_FAILED", "ImportError: numpy")
    again = world.look().last_failure
    assert (again.message, again.time) == ("ImportError: numpy", world.now)


def test_a_model_that_finds_no_room_says_what_it_needs(world):
    world.tell()
    world.application = an_application(
        "DEPLOYING",
        "Deployment 'Replica' in application 'ops.alarm-triage' has 1 replicas that have taken "
        "more than 30s to be scheduled. This may be due to waiting. Resources required for each "
        'replica: {"CPU": 64.0}, total resources available: {"CPU": 7.5}. Use `ray status` for '
        "more details.",
    )
    world.look()
    assert world.says() == ("False", "NoRoom", 1)
    message = world.condition(READY).message
    assert 'needs {"CPU": 64.0}, free are {"CPU": 7.5}. Lower spec.resources' in message


def test_a_rollout_without_room_for_two_says_so_and_serves_on(served):
    old = served.replicas
    served.edit(resources={"cpu": "64"})
    served.tell()
    served.replicas = old
    served.application = an_application("DEPLOYING", "1 replicas that wait to be scheduled.")
    served.look()
    assert served.says() == ("True", "NoRoomToSurge", 1)


def test_a_rollout_that_finds_room_for_some_says_why_the_others_wait(served):
    served.edit(resources={"cpu": "8"}, replicas=2)
    served.tell()
    served.replicas = [*served.replicas, a_replica(served.model)]
    served.application = an_application("DEPLOYING", "1 replicas that wait to be scheduled.")
    served.look()
    assert served.says(ConditionType.LOADED) == ("False", "NoRoomToSurge", 2)


def test_a_model_that_moved_is_not_ready_before_its_new_fleet_served_it(served):
    served.edit(fleet="other")
    served.service = None
    served.replicas = None
    served.look()
    assert served.says() == ("False", "FleetNotReady", 2)


def test_what_was_seen_of_the_same_generation_stays_without_a_ray_service(served):
    served.service = None
    served.replicas = None
    served.look()
    assert served.says() == ("True", "Ready", 1)


def test_a_refused_configuration_is_told_to_the_model(world):
    world.tell()
    status = world.service.status.model_copy(update={"refusal": "extra fields"})
    world.service = world.service.model_copy(update={"status": status})
    world.look()
    assert world.says() == ("False", "ConfigurationRefused", 1)


@pytest.mark.parametrize("reachable", [True, False])
@pytest.mark.parametrize("answers", [True, False])
@pytest.mark.parametrize("deploying", ["RUNNING", "DEPLOYING", "DEPLOY_FAILED"])
@pytest.mark.parametrize("state", [None, "silent", "Loading", "Ready", "Failed", "Draining"])
@pytest.mark.parametrize("serves", [None, 1])
@pytest.mark.parametrize("edited", [True, False])
def test_a_world_that_stands_still_keeps_its_status(
    served, reachable, answers, deploying, state, serves, edited
):
    if edited:
        served.edit(source={"uri": "file:///models/next"})
        served.tell()
    served.reachable, served.answers = reachable, answers
    served.application = an_application(deploying, "Traceback\nOSError: no")
    failure = a_failure() if state == "Failed" else None
    said = None if state == "silent" else []
    if state not in (None, "silent"):
        said = [a_replica(served.model, state, serves=serves, failure=failure)]
    served.replicas = said
    served.look()
    first = served.look()
    assert served.look(60) == first
    kinds = types(served)
    assert not ({"Reconciling", "Stalled"} <= set(kinds))
    complete = served.says()[0] == "True" and served.says(LOADED)[0] == "True"
    assert complete is ("Reconciling" not in kinds and "Stalled" not in kinds)
    if served.says()[0] == "True":
        assert reachable
        assert served.replicas is None or served.observed.answering
        assert complete or served.says()[2] == 1


def test_the_facts_of_a_model_are_kept_while_nothing_serves(served):
    served.replicas = [a_replica(served.model, bytes={"file": 7}), a_replica(served.model)]
    facts = served.look().model
    assert facts.bytes == 7
    served.replicas = []
    assert served.look().model == facts
    served.replicas = None
    assert served.look().model == facts


def test_the_status_reads_back_as_it_was_written(served):
    status = served.model.status
    assert type(status).model_validate_json(status.model_dump_json()) == status


def test_what_a_generative_model_has_room_for_is_told(served):
    facts = {"sequences": 16, "tokens": 2048, "kvBytes": 2**24, "adapters": ["pirate"]}
    served.known = {"precision": "int8", "generation": facts}
    told = served.look().model
    assert told.precision == "int8"
    assert told.generation.model_dump(mode="json") == facts
    served.replicas = []
    assert served.look().model == told


def test_other_models_have_no_such_facts(served):
    told = served.look().model.model_dump(mode="json", exclude_none=True)
    assert set(told) == {"bytes", "inputs", "outputs"}
