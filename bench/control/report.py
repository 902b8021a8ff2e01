"""What was measured, beside what it may be at most."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import median
from typing import Any

from bench.control.crowd import Size
from bench.control.measured import Counts
from bench.tables import table

APPLIED_S, CHANGE_S = 60.0, 1.0
REST_MB, REST_SHARE = 500.0, 0.02


@dataclass(frozen=True)
class Applied:
    """Seconds: applying took so many; after the last one until RayServices had, and statuses told
    of, all.
    """

    applying: float
    told: float
    ready: float


@dataclass(frozen=True)
class Rest:
    """So many seconds in which nothing changed; `share` is of one core."""

    seconds: float
    megabytes: float
    share: float
    counted: Counts
    written: Mapping[str, int]


@dataclass(frozen=True)
class Change:
    """Seconds after the call, until the RayService and the Model's status had it."""

    told: float
    ready: float


@dataclass(frozen=True)
class Forced:
    """What an operator did that found everything as it should be."""

    counted: Counts
    written: Mapping[str, int]


@dataclass(frozen=True)
class Results:
    """`size` was applied at first, `whole` was there at rest."""

    size: Size
    whole: Size
    applied: Applied
    rest: Rest
    changes: Sequence[Change]
    forced: Forced


def document(results: Results, machine: Mapping[str, Any]) -> dict[str, Any]:
    """What `operator.json` holds."""
    return {"machine": dict(machine), **asdict(results)}


def markdown(results: Results, machine: Mapping[str, Any]) -> str:
    """The table, for a terminal and for `operator.md`."""
    described = "; ".join(f"{key}: {value}" for key, value in machine.items())
    lines = [*_applied(results), *_rest(results), *_changes(results), *_forced(results)]
    rows = table(["what", "measured", "limit"], [list(line) for line in lines])
    return "\n\n".join(["# The operator at scale", described, rows]) + "\n"


Line = tuple[str, str, str]


def _applied(results: Results) -> list[Line]:
    found, said = results.applied, str(results.size)
    return [
        (f"{said}: applying them", _s(found.applying), "-"),
        ("from the last apply until RayServices have all", _s(found.told), _s(APPLIED_S)),
        ("until every Model is Ready", _s(found.ready), _s(APPLIED_S)),
        ("the same from the first apply", _s(found.applying + found.ready), "-"),
    ]


def _rest(results: Results) -> list[Line]:
    found = results.rest
    calls = f"{found.counted.reads} reads, {found.counted.models} Models"
    return [
        (f"{results.whole} at rest: memory", f"{found.megabytes:.0f} MB", f"{REST_MB:.0f} MB"),
        ("processor time", f"{found.share:.2%} of a core", f"{REST_SHARE:.0%}"),
        (f"API calls and reconciles in {found.seconds:.0f} s", calls, "-"),
        ("writes", _writes(found.counted, found.written), "0"),
    ]


def _changes(results: Results) -> list[Line]:
    told, ready = ([getattr(one, of) for one in results.changes] for of in ("told", "ready"))
    name = f"one change among {results.whole.models:,}, median / worst of {len(told)}"
    return [
        (f"{name}: RayService applied", f"{median(told):.2f} / {_s(max(told))}", _s(CHANGE_S)),
        ("until the Model is Ready with it", f"{median(ready):.2f} / {_s(max(ready))}", "-"),
    ]


def _forced(results: Results) -> list[Line]:
    found = results.forced.counted
    looked = f"{found.models:,} of Models, {found.fleets:,} of Fleets"
    return [
        ("restart and resync with nothing to do: reconciles", looked, "-"),
        ("writes", _writes(found, results.forced.written), "0"),
    ]


def _writes(counted: Counts, written: Mapping[str, int]) -> str:
    """As the API server's audit log has them, and as the operator counts them."""
    by = ", ".join(f"{count} {resource}" for resource, count in sorted(written.items()))
    return f"{sum(written.values())} ({by or 'audit log'}); counts {counted.writes}"


def _s(seconds: float) -> str:
    return f"{seconds:.2f} s" if seconds < 10 else f"{seconds:.0f} s"
