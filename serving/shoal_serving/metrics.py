"""Every series that a replica exports. The numbers are kept by what does the work (`Statistics`,
`EngineStatistics`); here their growth is handed on.
"""

from collections.abc import Mapping

from ray.util.metrics import Counter, Gauge

from shoal_serving.generate.model import GenerativeModel
from shoal_serving.generation_metrics import GenerationExporter
from shoal_serving.hosting import HostedModel
from shoal_serving.model import LoadedModel
from shoal_serving.series import Growth, Levels, Series

_LABELS = ("namespace", "model", "revision")


class Exporter:
    """Hands the growth of every model's numbers to Ray."""

    def __init__(self, models: Mapping[str, HostedModel]) -> None:
        self._models = models
        self._growth = Growth()
        self._levels = Levels()
        self._generation = GenerationExporter(self._growth, self._levels, _LABELS)
        self._requests = _counter("requests", "Requests, by outcome.", "outcome")
        self._loads = _counter("loads", "Loads of a revision, by outcome.", "outcome")
        self._bytes = _counter("body_bytes", "Bytes of request and response bodies.", "direction")
        self._queue = Gauge("shoal_queue_length", "Feeds that wait.", _LABELS)
        self._size = Gauge("shoal_model_bytes", "Measured sizes.", (*_LABELS, "kind"))
        self._histograms = {
            "latency": _series("request_duration_seconds", "From the first byte to the answer."),
            "queue": _series("queue_duration_seconds", "How long a batch's oldest feed waited."),
            "compute": _series("batch_duration_seconds", "How long a batch ran."),
            "rows": _series("batch_size", "Rows that ran together."),
        }

    def export(self) -> None:
        """Tell Ray what happened since the last time."""
        for key, hosted in self._models.items():
            self.export_model(key, hosted)

    def export_model(self, key: str, hosted: HostedModel) -> None:
        """Tell Ray what happened to one model; once more when it has been retired."""
        namespace, _, name = key.partition("/")
        labels = {"namespace": namespace, "model": name, "revision": ""}
        for outcome, count in {"ok": hosted.loads, **hosted.load_failures}.items():
            self._growth.tell(hosted, self._loads, count, {**labels, "outcome": outcome})
        for model in hosted.exportable():
            self._export_loaded(model, {**labels, "revision": model.revision})

    def _export_loaded(self, model: LoadedModel, labels: dict[str, str]) -> None:
        stats, tell = model.statistics, self._growth.tell
        for outcome, count in stats.outcomes.items():
            tell(model, self._requests, count, {**labels, "outcome": outcome})
        tell(model, self._bytes, stats.bytes_in, {**labels, "direction": "in"})
        tell(model, self._bytes, stats.bytes_out, {**labels, "direction": "out"})
        for name, series in self._histograms.items():
            self._growth.tell_histogram(model, series, getattr(stats, name), labels)
        self._levels.tell(model, self._queue, model.queued, labels)
        for kind, size in model.bytes.model_dump().items():
            self._levels.tell(model, self._size, size, {**labels, "kind": kind})
        if isinstance(model, GenerativeModel):
            self._generation.export(model, labels)


def _counter(name: str, description: str, label: str) -> Counter:
    return Counter(f"shoal_{name}", description, (*_LABELS, label))


def _series(name: str, description: str) -> Series:
    return Series(name, description, _LABELS)
