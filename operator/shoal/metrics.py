"""Every Prometheus series of the control plane, in the words that controller-runtime's users know.

Counters and histograms are told of what happened; what is true now is looked up when somebody asks.
"""

from collections import Counter as Count
from collections.abc import Iterator, Mapping
from typing import Protocol

from prometheus_client import CONTENT_TYPE_LATEST as CONTENT_TYPE
from prometheus_client import CollectorRegistry, Counter, Histogram, ProcessCollector
from prometheus_client.exposition import generate_latest
from prometheus_client.metrics_core import GaugeMetricFamily, Metric

from shoal import __version__
from shoal.api import Fleet, Model
from shoal.cluster import Key
from shoal.controllers.concerns import Seen
from shoal.controllers.loop import Reconciled
from shoal.controllers.work import WorkQueue

__all__ = ["CONTENT_TYPE", "Metrics", "Working"]

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)


class Working(Protocol):
    """The controllers, as far as they are measured."""

    @property
    def queue(self) -> WorkQueue: ...

    @property
    def seen(self) -> Mapping[Key, Seen]: ...


class Metrics:
    """One process's series. Whoever starts the controllers sets `working` and `leading`."""

    def __init__(self) -> None:
        self.working: Working | None = None
        self.leading = False
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)
        self._registry.register(self)
        self._results = Counter(
            "shoal_reconcile_total",
            "Reconciles, by how they ended.",
            ["kind", "result"],
            registry=self._registry,
        )
        self._reconciles = Histogram(
            "shoal_reconcile_time_seconds",
            "How long reconciles took.",
            ["kind"],
            buckets=_SECONDS,
            registry=self._registry,
        )
        self._calls = Counter(
            "shoal_api_requests_total",
            "Calls to the Kubernetes API; code 0 is one that was not answered.",
            ["verb", "resource", "code"],
            registry=self._registry,
        )
        self._latencies = Histogram(
            "shoal_api_request_duration_seconds",
            "How long calls to the Kubernetes API took until they were answered.",
            ["verb", "resource"],
            buckets=_SECONDS,
            registry=self._registry,
        )

    def reconciled(self, done: Reconciled) -> None:
        """One reconcile ended."""
        self._results.labels(done.key.kind, done.result).inc()
        self._reconciles.labels(done.key.kind).observe(done.seconds)

    def called(self, verb: str, resource: str, code: int, seconds: float) -> None:
        """The Kubernetes API was called."""
        self._calls.labels(verb, resource, str(code)).inc()
        self._latencies.labels(verb, resource).observe(seconds)

    def text(self) -> bytes:
        """All of it, as Prometheus reads it."""
        return generate_latest(self._registry)

    def collect(self) -> Iterator[Metric]:
        """What is true now, for the registry."""
        yield _gauge("shoal_leader", "Whether this process leads.", self.leading)
        build = GaugeMetricFamily("shoal_build_info", "Which Shoal this is.", labels=["version"])
        build.add_metric([__version__], 1)
        yield build
        if self.working is not None:
            yield from _queue(self.working.queue)
            yield _conditions("shoal_models", Model.__name__, self.working.seen)
            yield _conditions("shoal_fleets", Fleet.__name__, self.working.seen)


def _queue(queue: WorkQueue) -> Iterator[Metric]:
    yield _gauge("shoal_workqueue_depth", "Keys that wait for a worker.", queue.depth)
    words = "How long the key that waits longest has done so."
    yield _gauge("shoal_workqueue_oldest_seconds", words, queue.oldest_s)
    words = "How long the reconcile that runs longest has done so."
    yield _gauge("shoal_workqueue_longest_running_seconds", words, queue.longest_s)


def _conditions(name: str, kind: str, seen: Mapping[Key, Seen]) -> Metric:
    counted = Count(
        (condition.type.value, condition.status, condition.reason.value)
        for key, one in seen.items()
        if key.kind == kind
        for condition in one.conditions
    )
    family = GaugeMetricFamily(
        name, f"{kind}s, by what their conditions say.", labels=["condition", "status", "reason"]
    )
    for labels, count in sorted(counted.items()):
        family.add_metric(labels, count)
    return family


def _gauge(name: str, words: str, value: float) -> Metric:
    return GaugeMetricFamily(name, words, value=value)
