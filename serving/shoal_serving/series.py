"""Numbers that grow, handed on to Ray's metrics agent in bulk (which prefixes `ray_`).

Histograms go out as the counters that a Prometheus histogram is made of (`_bucket` by `le`, `_sum`,
`_count`).
"""

from collections.abc import Mapping
from weakref import WeakKeyDictionary

from ray.util.metrics import Counter, Gauge, Metric

from shoal_serving.stats import Histogram

_Key = tuple[str, ...]
Labels = Mapping[str, str]


class Growth:
    """What Ray was told, by who counts: two models may bear the same labels one after another, and
    one model several revisions, when its adapters change. What grew is then the newest one's.
    """

    def __init__(self) -> None:
        self._told: WeakKeyDictionary[object, dict[_Key, float]] = WeakKeyDictionary()

    def tell(self, who: object, counter: Counter, total: float, labels: Labels) -> None:
        """Add what `total` is more than the last time."""
        told = self._told.setdefault(who, {})
        key = _key(counter, labels)
        growth = total - told.get(key, 0.0)
        if growth > 0:
            told[key] = total
            counter.inc(growth, dict(labels))

    def tell_histogram(
        self, who: object, series: "Series", histogram: Histogram, labels: Labels
    ) -> None:
        if not histogram.count:
            return
        cumulative = 0
        bounds = [*(f"{bound:g}" for bound in histogram.bounds), "+Inf"]
        for bound, count in zip(bounds, histogram.buckets, strict=True):
            cumulative += count
            self.tell(who, series.bucket, cumulative, {**labels, "le": bound})
        self.tell(who, series.sum, histogram.total, labels)
        self.tell(who, series.count, histogram.count, labels)


class Levels:
    """Gauges, which are 0 for a revision that whoever set them is no longer."""

    def __init__(self) -> None:
        self._told: WeakKeyDictionary[object, dict[_Key, Labels]] = WeakKeyDictionary()

    def tell(self, who: object, gauge: Gauge, value: float, labels: Labels) -> None:
        told = self._told.setdefault(who, {})
        before = told.get(_key(gauge, labels))
        if before is not None and before != labels:
            gauge.set(0, dict(before))
        told[_key(gauge, labels)] = labels
        gauge.set(value, dict(labels))


def _key(metric: Metric, labels: Labels) -> _Key:
    """What tells a series of a model from its others, whatever its revision is."""
    said = (value for name, value in labels.items() if name != "revision")
    return (metric.info["name"], *said)


class Series:
    """The three counters of one Prometheus histogram."""

    def __init__(self, name: str, description: str, labels: tuple[str, ...]) -> None:
        self.bucket = Counter(f"shoal_{name}_bucket", description, (*labels, "le"))
        self.sum = Counter(f"shoal_{name}_sum", description, labels)
        self.count = Counter(f"shoal_{name}_count", description, labels)
