"""What was measured, and what follows from it.

Of the rounds the best one counts: noise of the machine only ever takes away. A ratio is that of
two best ones.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from itertools import pairwise
from typing import Any

from bench.llm.contestants import CONTESTANTS, FP32, Model

Row = dict[str, Any]
OTHERS = tuple(who.name for who in CONTESTANTS if who.name != "ours")


@dataclass(frozen=True)
class Sample:
    """One run: new tokens per second of all the time that it took, and milliseconds to the first
    token of a text and between two tokens of one.
    """

    rate: float
    first_p50: float
    first_p99: float
    next_p50: float
    next_p99: float


def sample(times: Sequence[Sequence[float]]) -> Sample:
    """From the seconds at which the tokens of every text came."""
    firsts = [text[0] * 1e3 for text in times]
    gaps = [(later - earlier) * 1e3 for text in times for earlier, later in pairwise(text)]
    rate = sum(map(len, times)) / max(text[-1] for text in times)
    return Sample(
        round(rate, 1),
        *(round(percentile(values, of), 2) for values in (firsts, gaps) for of in (50, 99)),
    )


def percentile(values: Sequence[float], of: int) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, len(ordered) * of // 100)] if ordered else 0.0


Samples = dict[str, list[Sample | None]]


def _samples() -> dict[Any, Samples]:
    return defaultdict(lambda: defaultdict(list))


@dataclass
class Results:
    """Everything; keys are models, precisions and numbers of rows. Seconds, but for samples."""

    batches: dict[tuple[str, str, int], Samples] = field(default_factory=_samples)
    mixed: dict[str, Samples] = field(default_factory=_samples)
    http: dict[tuple[str, int], Samples] = field(default_factory=_samples)
    memory: dict[tuple[str, str], dict[str, float]] = field(
        default_factory=lambda: defaultdict(dict)
    )
    drafting: dict[tuple[str, str], float] = field(default_factory=dict)
    overhead: dict[tuple[str, str, int], dict[str, float]] = field(default_factory=dict)
    prefix: dict[str, list[dict[str, float]]] = field(default_factory=dict)
    interrupted: dict[str, list[dict[str, float]]] = field(default_factory=dict)
    sampler: dict[str, float] = field(default_factory=dict)
    products: dict[tuple[str, int], float] = field(default_factory=dict)
    problems: dict[str, str] = field(default_factory=dict)

    def problem(self, who: str, problem: object) -> None:
        """Note what went wrong, the first time only."""
        self.problems.setdefault(who, str(problem))


def document(results: Results, models: Sequence[Model], machine: Mapping[str, Any]) -> Row:
    """What `llm.json` holds."""
    return {
        "machine": dict(machine),
        "limit": _limit(results),
        "batches": [_batch(results, model, *key) for key, model in _cells(results, models)],
        "memory": [
            {"model": model, "precision": precision} | {k: round(v, 1) for k, v in sizes.items()}
            for (model, precision), sizes in results.memory.items()
        ],
        "mixed": [
            {"model": model, **_best(samples), "ratio": _ratio(samples, "ours", "genai")}
            for model, samples in results.mixed.items()
        ],
        "http": [
            {
                "model": model,
                "streams": streams,
                **_best(samples),
                "ratio": _ratio(samples, "http", "engine"),
            }
            for (model, streams), samples in results.http.items()
        ],
        "prefix": [_prefix(model, found) for model, found in results.prefix.items()],
        "interrupted": [_interrupted(model, found) for model, found in results.interrupted.items()],
        "overhead": [_overhead(*key, found) for key, found in results.overhead.items()],
        "sampler": {name: round(cost * 1e3, 3) for name, cost in results.sampler.items()},
        "problems": results.problems,
    }


def _cells(results: Results, models: Sequence[Model]) -> list[tuple[tuple[str, int], Model]]:
    known = {model.name: model for model in models}
    return [((precision, rows), known[name]) for name, precision, rows in results.batches]


def _batch(results: Results, model: Model, precision: str, rows: int) -> Row:
    samples = results.batches[model.name, precision, rows]
    row: Row = {"model": model.name, "precision": precision, "rows": rows, **_best(samples)}
    if rows == 1:
        row["drafting"] = round(results.drafting[model.name, precision], 1)
    row["ratios"] = {name: _ratio(samples, "ours", name) for name in OTHERS}
    row["limit"] = round(_bound(results, model, precision, rows), 1)
    best = row.get("ours")
    row["ratio_to_limit"] = round(best["rate"] / row["limit"], 2) if best else None
    return row


def _bound(results: Results, model: Model, precision: str, rows: int) -> float:
    """Tokens per second if nothing were computed but products with the weights.

    Prompts have 31.5 tokens in the mean, of which the last one gives the first token.
    """
    prompt, products = 31.5, results.products
    columns = rows * prompt * products[precision, 512] * model.parameters
    steps = (model.new - 1) * products[precision, rows] * model.parameters
    prefill = columns / 512
    return rows * model.new / (prefill + steps)


def _limit(results: Results) -> list[Row]:
    """Of a product with so many columns."""
    widths = {FP32: 4.0, "int4": 0.625}
    return [
        {
            "precision": precision,
            "columns": columns,
            "GB/s": round(widths[precision] / seconds / 1e9, 1),
            "GFLOP/s": round(2 * columns / seconds / 1e9, 1),
        }
        for (precision, columns), seconds in results.products.items()
    ]


def _best(samples: Samples) -> dict[str, Row | None]:
    return {name: (asdict(best) if (best := _of(samples, name)) else None) for name in samples}


def _of(samples: Samples, name: str) -> Sample | None:
    return max(filter(None, samples.get(name, ())), key=lambda one: one.rate, default=None)


def _ratio(samples: Samples, one: str, other: str) -> float | None:
    a, b = _of(samples, one), _of(samples, other)
    return round(a.rate / b.rate, 2) if a and b else None


def _prefix(model: str, found: Sequence[Mapping[str, float]]) -> Row:
    miss, hit = (min(one[key] for one in found) for key in ("miss", "hit"))
    return {
        "model": model,
        "miss": round(miss * 1e3, 2),
        "hit": round(hit * 1e3, 2),
        "ratio": round(miss / hit, 1),
    }


def _interrupted(model: str, found: Sequence[Mapping[str, float]]) -> Row:
    """The median round by what the p99 is in steps."""
    one = sorted(found, key=lambda one: one["during"] / one["step"])[len(found) // 2]
    steps = {f"{key}_steps": round(one[key] / one["step"], 2) for key in ("before", "during")}
    return {"model": model, **{k: round(v * 1e3, 2) for k, v in one.items()}, **steps}


def _overhead(model: str, precision: str, rows: int, found: Mapping[str, float]) -> Row:
    return {
        "model": model,
        "precision": precision,
        "rows": rows,
        "step": round(found["step"] * 1e3, 3),
        "run": round(found["run"] * 1e3, 3),
        "share": round(1 - found["run"] / found["step"], 3),
    }
