"""What Prometheus can scrape."""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from conftest import SPARE, Platform, eventually
from graphs import adder, broken, tensor

from shoal.api import ConditionType

INFER = f"/v2/models/{SPARE}/infer"
SOUND = tensor([1.0, 2.0, 3.0, 4.0])
EXPORTED_S = 40.0  # a heartbeat of the replica, and Ray's own intervals

Exported = Callable[..., float]

_SERIES = re.compile(r"^ray_shoal_(\w+)\{(.*)\} (\S+)$", re.MULTILINE)
_LABEL = re.compile(r'(\w+)="([^"]*)"')


@dataclass
class Past:
    """What happened to the spare Model: two revisions that were asked, and one that did not load.

    The first was asked 7 times, and wrongly 2 times, in `size` bytes; the second 3 times.
    """

    first: str
    second: str
    size: int
    file: int


@pytest.fixture(scope="module")
def chatted(samples: dict[str, str]) -> None:
    """The sample chat model and an adapter of it were asked for three and for five tokens."""
    for name, tokens in (("chat", 3), ("terse", 5)):
        body = {"model": name, "prompt": [5, 6, 7], "max_tokens": tokens, "ignore_eos": True}
        assert httpx.post(f"{samples['chat']}/v1/completions", json=body, timeout=30).is_success


@pytest.fixture(scope="module")
def past(platform: Platform, chatted: None, tmp_path_factory: pytest.TempPathFactory) -> Past:
    folder = tmp_path_factory.mktemp("past")
    base, first = serve(platform, folder / "first", 71)
    size = ask(base, 7) + ask(base, 2, {"inputs": []})
    base, second = serve(platform, folder / "second", 72)
    ask(base, 3)
    platform.apply(SPARE, "tensor", broken(folder / "bad"))
    eventually(lambda: platform.condition(SPARE, ConditionType.STALLED), "Stalled")
    return Past(first, second, size, (folder / "first" / "model.onnx").stat().st_size)


def serve(platform: Platform, folder: Path, amount: float) -> tuple[str, str]:
    """The base URL and the revision of the spare Model, which now adds this."""
    base = platform.serve(SPARE, "tensor", adder(folder, amount))
    return base, str(platform.model(SPARE).status.revision)


def ask(base: str, times: int, body: dict[str, Any] = SOUND) -> int:
    """How many bytes were sent."""
    sent = [httpx.post(base + INFER, json=body, timeout=30).request for _ in range(times)]
    return sum(len(request.content) for request in sent)


@pytest.fixture
def exported(platform: Platform, past: Past) -> Exported:
    """Reads series of the spare Model, once all that happened to it has reached Ray's exporter."""
    port = json.loads((platform.home / "run" / "ray.json").read_text())["metrics"]

    def read(name: str, **labels: str) -> float:
        text = httpx.get(f"http://127.0.0.1:{port}/metrics", timeout=30).text
        wanted = {"namespace": "default", "model": SPARE, **labels}.items()
        return sum(
            float(value)
            for series, said, value in _SERIES.findall(text)
            if series == name and wanted <= dict(_LABEL.findall(said)).items()
        )

    def complete() -> bool:
        served = read("requests_total", revision=past.second, outcome="ok")
        return served == 3 and read("loads_total", outcome="ModelLoadFailed") > 0

    eventually(complete, "three requests and a failed load are exported", EXPORTED_S)
    return read


def test_every_request_is_counted_once_with_its_revision(past: Past, exported: Exported) -> None:
    assert exported("requests_total", revision=past.second) == 3
    assert exported("requests_total", revision=past.first, outcome="ok") == 7
    assert exported("requests_total", revision=past.first, outcome="InvalidRequest") == 2
    assert exported("body_bytes_total", revision=past.first, direction="in") == past.size
    assert exported("body_bytes_total", revision=past.first, direction="out") > 0


def test_times_and_batches_are_histograms(past: Past, exported: Exported) -> None:
    revision = past.first
    assert exported("request_duration_seconds_count_total", revision=revision) == 9
    assert exported("request_duration_seconds_bucket_total", revision=revision, le="+Inf") == 9
    assert exported("request_duration_seconds_sum_total", revision=revision) > 0
    assert exported("queue_duration_seconds_count_total", revision=revision) == 7
    assert exported("batch_duration_seconds_count_total", revision=revision) == 7
    assert exported("batch_size_sum_total", revision=revision) == 7
    assert exported("batch_size_bucket_total", revision=revision, le="1") == 7


def test_sizes_and_the_queue_are_gauges(past: Past, exported: Exported) -> None:
    assert exported("model_bytes", revision=past.second, kind="file") == past.file
    assert exported("queue_length", revision=past.second) == 0


def test_models_that_generate_have_the_series_that_vllm_names(exported: Exported) -> None:
    """At least: whatever was asked of the sample before is counted too."""
    for adapter, tokens in (("", 3), ("terse", 5)):
        asked = {"model": "chat", "adapter": adapter}
        assert exported("generation_tokens_total", **asked) >= tokens
        assert exported("prompt_tokens_total", **asked) >= 3
        assert exported("request_success_total", **asked, finished_reason="length") >= 1
    assert exported("time_to_first_token_seconds_count_total", model="chat") >= 2
    assert exported("inter_token_latency_seconds_count_total", model="chat") >= 6
    assert exported("request_queue_time_seconds_bucket_total", model="chat", le="+Inf") >= 2
    assert exported("num_requests_running", model="chat") == 0
    assert exported("kv_cache_usage_perc", model="chat") == 0


def test_loads_are_counted_with_their_failures(exported: Exported) -> None:
    assert exported("loads_total", outcome="ModelLoadFailed") == 1
    assert exported("loads_total", outcome="ok") >= 2
