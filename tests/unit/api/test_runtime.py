"""What replicas are handed and say, on the wire."""

import json

import pytest

from shoal.api import (
    Backend,
    Batching,
    Ledger,
    ModelRevision,
    OnnxRuntime,
    Precision,
    ReplicaConfig,
    ReplicaReport,
    Source,
    Task,
    revision_name,
    same_artifact,
)
from shoal.testing import DIGEST, a_failure, a_ledger, a_model, a_replica


def a_revision(**said):
    known = {
        "generation": 1,
        "task": Task.TENSOR,
        "source": Source(uri="file:///models/echo"),
        "backend": Backend(onnx_runtime=OnnxRuntime()),
        "batching": Batching(),
    }
    return ModelRevision.model_validate({**known, **said})


OTHER = "sha256:" + "b" * 64
NAME = revision_name(DIGEST, a_revision())


def test_a_revision_keeps_the_name_that_it_always_had():
    assert NAME == "6e889a32"


def test_a_revision_is_eight_hexadecimal_digits():
    assert len(NAME) == 8
    assert int(NAME, 16) >= 0
    assert revision_name(DIGEST, a_revision()) == NAME


@pytest.mark.parametrize(
    "changed",
    [
        {"task": Task.TEXT_RANKING},
        {"precision": Precision.INT8},
        {"text_generation": {"kv_cache": "int8"}},
        {"backend": {"onnx_runtime": {"session_options": {"execution_mode": "parallel"}}}},
    ],
)
def test_what_changes_the_answers_is_another_revision(changed):
    assert revision_name(DIGEST, a_revision(**changed)) != NAME


def test_other_bytes_are_another_revision():
    assert revision_name(OTHER, a_revision()) != NAME


@pytest.mark.parametrize(
    "changed",
    [
        {"generation": 2},
        {"batching": {"max_batch_size": 1}},
        {"source": {"uri": "https://elsewhere/echo"}},
        {"cached": DIGEST},
        {"text_generation": {"max_sequences": 4}},
        {"text_generation": {"kv_cache": "auto"}},
    ],
)
def test_limits_and_addresses_are_the_same_revision(changed):
    assert revision_name(DIGEST, a_revision(**changed)) == NAME


def test_other_adapters_are_another_revision_whatever_their_order():
    adapters = {"pirate": DIGEST, "terse": OTHER}
    name = revision_name(DIGEST, a_revision(), adapters)
    assert name == revision_name(DIGEST, a_revision(), dict(reversed(adapters.items())))
    others = [{}, {"pirate": DIGEST}, {"pirate": OTHER, "terse": OTHER}, {"p": DIGEST, "t": OTHER}]
    assert name not in [revision_name(DIGEST, a_revision(), other) for other in others]
    assert revision_name(DIGEST, a_revision(), {}) == NAME


@pytest.mark.parametrize(
    ("changed", "same"),
    [
        ({"generation": 2, "batching": {"max_batch_size": 1}, "cached": DIGEST}, True),
        ({"cached_adapters": {"pirate": DIGEST}}, True),
        ({"task": Task.TEXT_RANKING}, False),
        ({"source": {"uri": "file:///models/echo", "digest": DIGEST}}, False),
        ({"precision": Precision.INT8}, False),
        ({"text_generation": {"max_tokens": 512}}, False),
        ({"text_generation": {"kv_cache": "int8"}}, False),
    ],
)
def test_what_is_loaded_anew(changed, same):
    assert same_artifact(a_revision(), a_revision(**changed)) is same


def test_a_revision_of_an_older_version_is_read():
    said = {field: value for field, value in a_revision().model_dump().items() if value is not None}
    del said["precision"], said["cachedAdapters"]
    assert ModelRevision.model_validate(said) == a_revision()


def test_what_a_newer_version_says_more_is_let_be():
    config = {"fleet": "default", "threads": 2, "colour": "red"}
    assert ReplicaConfig.model_validate(config).threads == 2
    report = json.loads(a_replica(a_model()).model_dump_json()) | {"temperature": 40}
    assert ReplicaReport.model_validate(report).state == "Ready"


def test_a_ledger_reads_back_from_the_wire():
    model = a_model()
    replicas = [a_replica(model), a_replica(model, "Failed", failure=a_failure())]
    ledger = a_ledger({"ops/alarm-triage": replicas})
    text = ledger.model_dump_json()
    assert '"servedGeneration":1' in text
    assert Ledger.model_validate_json(text) == ledger
