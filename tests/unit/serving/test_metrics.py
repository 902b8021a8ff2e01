"""What the exporter hands to Ray: growth only, and histograms as Prometheus' own series."""

import asyncio
from collections import Counter as Tally

import pytest
import ray.util.metrics
from stand_ins import Arithmetic, loaded, revision, rows

from shoal.api.ledger import Bytes
from shoal.api.runtime import ModelConfig
from shoal_serving.hosting import HostedModel
from shoal_serving.metrics import Exporter
from shoal_serving.stats import SECONDS


@pytest.fixture
def ray_side(monkeypatch):
    """Stands in for Ray's agent: totals of counters and last values of gauges, by name and tags."""
    totals = Tally()

    def key(metric, tags):
        return (metric.info["name"], *(tags[name] for name in metric.info["tag_keys"]))

    def inc(metric, value, tags):
        assert value > 0
        totals[key(metric, tags)] += value

    def put(metric, value, tags):
        totals[key(metric, tags)] = value

    monkeypatch.setattr(ray.util.metrics.Counter, "inc", inc)
    monkeypatch.setattr(ray.util.metrics.Gauge, "set", put)
    return totals


@pytest.fixture
async def hosted():
    """A model that serves, and loads whatever is asked for at once."""
    model = HostedModel(
        "ops/m", "node", lambda key, wanted, tell, serving: loaded(config=wanted), int
    )
    await model.configure(wanting(1))
    yield model
    await model.retire()


def wanting(generation):
    """A configuration that differs from the one before it."""
    wanted = revision(generation, uri=f"file:///{generation}")
    return ModelConfig(namespace="ops", name="m", wanted=wanted)


@pytest.fixture
def exporter(hosted):
    return Exporter({"ops/m": hosted})


async def test_only_growth_is_handed_on(exporter, hosted, ray_side):
    key = ("shoal_requests", "ops", "m", "r1", "ok")
    for _ in range(3):
        hosted.serving.statistics.answered("ok", 0.1, 5, 7)
        exporter.export()
        exporter.export()
    assert ray_side[key] == 3
    assert ray_side["shoal_body_bytes", "ops", "m", "r1", "in"] == 15
    assert ray_side["shoal_body_bytes", "ops", "m", "r1", "out"] == 21


async def test_a_histogram_is_cumulative_buckets_a_sum_and_a_count(exporter, hosted, ray_side):
    for seconds in (0.0004, 0.04, 0.04, 99):
        hosted.serving.statistics.answered("ok", seconds, 0, 0)
    exporter.export()
    bucket = "shoal_request_duration_seconds_bucket", "ops", "m", "r1"
    by_bound = {bound: ray_side[*bucket, bound] for bound in ("0.0005", "0.025", "0.05", "30")}
    assert by_bound == {"0.0005": 1, "0.025": 1, "0.05": 3, "30": 3}
    assert ray_side[*bucket, "+Inf"] == 4
    assert ray_side["shoal_request_duration_seconds_count", "ops", "m", "r1"] == 4
    assert ray_side["shoal_request_duration_seconds_sum", "ops", "m", "r1"] == pytest.approx(
        99.0804
    )
    assert len([key for key in ray_side if key[:4] == bucket]) == len(SECONDS) + 1


async def test_the_same_revision_loaded_again_counts_on(exporter, hosted, ray_side):
    for generation in (1, 2, 3):
        if generation > 1:
            await hosted.configure(wanting(generation))
        hosted.serving.revision = "same"
        hosted.serving.statistics.answered("ok", 0.1, 0, 0)
        exporter.export()
    assert ray_side["shoal_requests", "ops", "m", "same", "ok"] == 3


async def test_a_model_whose_revision_changes_is_not_counted_twice(exporter, hosted, ray_side):
    """As when adapters of a model that generates come and go."""
    hosted.serving.bytes = Bytes(resident=2)
    for name in ("r1", "other", "r1"):
        hosted.serving.revision = name
        hosted.serving.statistics.answered("ok", 0.1, 0, 0)
        exporter.export()
    assert ray_side["shoal_requests", "ops", "m", "r1", "ok"] == 2
    assert ray_side["shoal_requests", "ops", "m", "other", "ok"] == 1
    assert ray_side["shoal_request_duration_seconds_count", "ops", "m", "other"] == 1
    assert ray_side["shoal_model_bytes", "ops", "m", "r1", "resident"] == 2
    assert ray_side["shoal_model_bytes", "ops", "m", "other", "resident"] == 0


async def test_what_a_model_did_last_is_not_lost_when_it_leaves(exporter, hosted, ray_side):
    hosted.serving.statistics.answered("ok", 0.1, 0, 0)
    await hosted.retire()
    exporter.export_model("ops/m", hosted)
    assert ray_side["shoal_requests", "ops", "m", "r1", "ok"] == 1


async def test_a_model_that_left_has_no_bytes(exporter, hosted, ray_side):
    hosted.serving.bytes = Bytes(file=1, resident=2, peak=3)
    exporter.export()
    assert ray_side["shoal_model_bytes", "ops", "m", "r1", "resident"] == 2
    await hosted.retire()
    exporter.export()
    assert ray_side["shoal_model_bytes", "ops", "m", "r1", "resident"] == 0


async def test_loads_are_counted_by_outcome(exporter, hosted, ray_side):
    hosted.load_failures["ModelLoadFailed"] = 2
    exporter.export()
    exporter.export()
    assert ray_side["shoal_loads", "ops", "m", "", "ok"] == 1
    assert ray_side["shoal_loads", "ops", "m", "", "ModelLoadFailed"] == 2


async def test_the_queue_is_as_long_as_it_is_now(exporter, hosted, ray_side):
    backend = Arithmetic()
    hosted.serving = loaded(backend)
    backend.hold()
    answers = [asyncio.create_task(hosted.serving.answer(rows(1)))]
    await backend.entered()
    answers += [asyncio.create_task(hosted.serving.answer(rows(2))) for _ in range(2)]
    await asyncio.sleep(0)
    exporter.export()
    assert ray_side["shoal_queue_length", "ops", "m", "r1"] == 2
    backend.let_go()
    await asyncio.gather(*answers)
    exporter.export()
    assert ray_side["shoal_queue_length", "ops", "m", "r1"] == 0
