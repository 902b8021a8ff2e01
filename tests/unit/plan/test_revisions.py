"""What replicas are told to serve, and what to fall back on."""

import pytest

from shoal.api import Generation
from shoal.api.rayservice import ApplicationStatus
from shoal.testing import DIGEST, a_failure, a_replica, an_application

OTHER = "sha256:" + "b" * 64


def uris(config):
    """The sources wanted and fallen back on, by the last part of their address."""
    revisions = (config.wanted, config.fallback)
    return tuple(one.source.uri.rpartition("/")[2] if one else None for one in revisions)


def swap(world, name):
    world.edit(source={"uri": f"file:///models/{name}"})


def serve(world, **said):
    """Ray Serve is told, and the replica serves what is wanted."""
    world.tell()
    world.replicas = [a_replica(world.model, **said)]


def fail(world, serves):
    """Ray Serve is told, but the replica stays with what it serves."""
    world.tell()
    failed = a_replica(world.model, "Failed", serves=serves, failure=a_failure())
    world.replicas = [failed]


def test_the_first_revision_has_nothing_to_fall_back_on(world):
    config = world.config()
    assert uris(config) == ("alarm-triage", None)
    assert config.wanted.cached is None


def test_what_serves_is_pinned_to_its_bytes(world):
    serve(world)
    config = world.config()
    assert (config.wanted.cached, config.fallback) == (DIGEST, None)


def test_what_served_is_the_fallback_of_what_is_new(served):
    swap(served, "next")
    config = served.config()
    assert uris(config) == ("next", "alarm-triage")
    assert (config.fallback.generation, config.fallback.cached) == (1, DIGEST)
    assert config.wanted.cached is None


def test_the_fallback_goes_when_the_new_revision_serves(served):
    swap(served, "next")
    serve(served, digest=OTHER)
    config = served.config()
    assert uris(config) == ("next", None)
    assert config.wanted.cached == OTHER


def test_a_failed_revision_never_becomes_the_fallback(served):
    swap(served, "broken")
    fail(served, serves=1)
    swap(served, "next")
    assert uris(served.config()) == ("next", "alarm-triage")


def test_a_rollback_needs_no_fallback_and_keeps_its_bytes(served):
    swap(served, "broken")
    fail(served, serves=1)
    swap(served, "alarm-triage")
    config = served.config()
    assert uris(config) == ("alarm-triage", None)
    assert (config.wanted.generation, config.wanted.cached) == (3, DIGEST)


def test_more_replicas_in_the_middle_of_a_rollout_keep_the_fallback(served):
    swap(served, "next")
    served.tell()
    served.replicas = [a_replica(served.model, "Loading", serves=1)]
    served.edit(replicas=3)
    config = served.config()
    assert uris(config) == ("next", "alarm-triage")
    assert config.wanted.generation == 3


def test_limits_alone_are_no_new_revision(served):
    served.edit(batching={"max_batch_size": 4})
    config = served.config()
    assert (config.wanted.generation, config.wanted.cached) == (2, DIGEST)
    assert config.fallback is None


def test_two_edits_in_a_row_do_not_forget_what_serves(served):
    served.edit(batching={"max_batch_size": 4})
    served.tell()
    swap(served, "next")
    assert uris(served.config()) == ("next", "alarm-triage")


def test_a_silent_ledger_does_not_forget_what_served(served):
    served.replicas = None
    swap(served, "next")
    assert uris(served.config()) == ("next", "alarm-triage")
    swap(served, "other")
    assert uris(served.config()) == ("other", "alarm-triage")


def test_lost_replicas_are_told_the_same_again(served):
    before = served.config()
    served.replicas = []
    assert served.config() == before


def test_another_backend_of_the_same_source_loads_the_same_bytes(served):
    served.edit(backend={"onnx_runtime": {"session_options": {"allow_spinning": True}}})
    config = served.config()
    assert uris(config) == ("alarm-triage", "alarm-triage")
    assert config.wanted.cached == DIGEST


def test_another_pin_is_another_revision(served):
    source = {"uri": served.model.spec.source.uri, "digest": OTHER}
    served.edit(source=source)
    config = served.config()
    assert config.wanted.cached is None
    assert config.fallback.cached == DIGEST


def test_a_replica_that_loads_is_not_told_to_begin_anew(served):
    served.edit(replicas=2, source={"uri": "file:///models/next"})
    before = served.config()
    served.replicas = [a_replica(served.model), a_replica(served.model, "Loading", serves=1)]
    assert served.config() == before
    served.replicas = [a_replica(served.model)] * 2
    assert uris(served.config()) == ("next", None)


def test_an_application_that_is_built_is_not_begun_anew(world):
    serve(world)
    world.application = ApplicationStatus(status="DEPLOYING")
    assert world.config().wanted.cached is None
    world.application = an_application("DEPLOYING")
    assert world.config().wanted.cached == DIGEST


def test_replicas_of_other_bytes_do_not_move_the_pin(served):
    served.replicas = [a_replica(served.model, digest=OTHER), a_replica(served.model)]
    assert served.config().wanted.cached == DIGEST


def test_a_namesake_that_was_deleted_leaves_no_fallback(served):
    metadata = served.model.metadata.model_copy(update={"uid": "another"})
    served.model = served.model.model_copy(update={"metadata": metadata})
    swap(served, "next")
    config = served.config()
    assert (config.uid, config.fallback, config.wanted.cached) == ("another", None, None)


def adapter(name, uri=None):
    return {"name": name, "uri": uri or f"file:///models/{name}"}


@pytest.fixture
def chat(world):
    """A Model that generates text, with an adapter; it serves."""
    world.edit(task="text-generation", generation={"adapters": [adapter("pirate")]})
    serve(world, adapters={"pirate": OTHER})
    return world


def test_a_model_that_generates_text_is_told_how(world):
    world.edit(task="text-generation", precision="int8")
    wanted = world.config().wanted
    assert (wanted.precision, wanted.text_generation) == ("int8", Generation())
    world.edit(generation={"max_sequences": 4})
    assert world.config().wanted.text_generation.max_sequences == 4


def test_other_tasks_are_told_nothing_of_it(world):
    wanted = world.config().wanted
    assert (wanted.precision, wanted.text_generation) == ("auto", None)


def test_adapters_that_serve_are_pinned_to_their_bytes(chat):
    wanted = chat.config().wanted
    assert (wanted.cached, wanted.cached_adapters) == (DIGEST, {"pirate": OTHER})


def test_an_adapter_more_keeps_the_bytes_of_the_others(chat):
    chat.edit(generation={"adapters": [adapter("terse"), adapter("pirate")]})
    config = chat.config()
    assert (config.wanted.cached, config.wanted.cached_adapters) == (DIGEST, {"pirate": OTHER})
    assert [one.name for one in config.fallback.text_generation.adapters] == ["pirate"]
    assert config.fallback.cached_adapters == {"pirate": OTHER}


def test_an_adapter_from_elsewhere_is_not_pinned(chat):
    chat.edit(generation={"adapters": [adapter("pirate", "file:///models/terse")]})
    config = chat.config()
    assert (config.wanted.cached, config.wanted.cached_adapters) == (DIGEST, {})
    assert config.fallback.cached_adapters == {"pirate": OTHER}


@pytest.mark.parametrize("spec", [{"precision": "int4"}, {"generation": {"max_tokens": 9}}])
def test_what_must_be_loaded_anew_has_a_fallback(chat, spec):
    chat.edit(**spec)
    assert uris(chat.config()) == ("alarm-triage", "alarm-triage")
    assert chat.config().fallback.generation == 2


def test_replicas_with_other_adapters_do_not_move_the_pin(chat):
    before = chat.tell()
    other = a_replica(chat.model, adapters={"pirate": DIGEST})
    chat.replicas = [other, a_replica(chat.model, adapters={"pirate": OTHER})]
    assert chat.tell() == before
    chat.replicas = [other]
    assert chat.config().wanted.cached_adapters == {"pirate": DIGEST}
