"""The tables that people read: what `latest.json` holds, in Markdown."""

from collections.abc import Callable, Mapping

from bench.report import COLUMNS, Row


def markdown(found: Row) -> str:
    """The document as tables, for a terminal and for `latest.md`."""
    machine = ", ".join(f"{name}: {value}" for name, value in found["machine"].items())
    tables = _throughput(found), _latency(found), _added_table(found), _memory(found["memory"])
    problems = [f"- {who}: {_last_line(what)}" for who, what in found["problems"].items()]
    broken = ("## What did not work\n\n" + "\n".join(problems)) if problems else ""
    parts = ["# Side by side", machine, _noise(found["rows"]), *tables, broken]
    return "\n\n".join(part for part in parts if part) + "\n"


def _noise(table: list[Row]) -> str:
    """How much the machine itself moved: the same loop, measured in every cell."""
    spans: dict[str, list[float]] = {}
    for row in table:
        if bare := row["session.run"]:
            spans.setdefault(row["case"], []).extend(bare["rps_range"])
    told = [f"{case} {min(span):,.0f} to {max(span):,.0f}" for case, span in spans.items()]
    return "`session.run` per second, least and most (the machine's noise): " + ", ".join(told)


def _last_line(text: str) -> str:
    """Of a log, what matters; `latest.json` has the rest."""
    return (text.strip().splitlines() or [""])[-1]


def _throughput(found: Row) -> str:
    shown = _shown(found)
    ratios = ("ratio_to_best_peer", "ratio_to_pytriton", "ratio_to_limit")
    lines = [
        [_case(row), str(row["concurrency"]), *(_cell(found, row, name, _rps) for name in shown)]
        + [_number(row[ratio], 2) for ratio in ratios]
        for row in found["rows"]
    ]
    header = ["case", "c", *shown, "÷ best peer", "÷ pytriton", "÷ limit"]
    note = "\\* with its dynamic batching, which was the faster of its configurations there."
    return "## Answers per second\n\n" + table(header, lines) + "\n\n" + note


def _latency(found: Row) -> str:
    shown = _shown(found)
    lines = [
        [_case(row), str(row["concurrency"])]
        + [_cell(found, row, name, _percentiles) for name in shown]
        for row in found["rows"]
    ]
    return "## Latency, ms: p50 / p99\n\n" + table(["case", "c", *shown], lines)


def _added_table(found: Row) -> str:
    shown = [name for name in _shown(found) if name != "session.run"]
    lines = [
        [_case(row), *(_cell(found, row, name, _added_p50) for name in shown)]
        for row in found["rows"]
        if row["concurrency"] == 1
    ]
    title = "## Added to `session.run` at concurrency 1, ms at p50\n\n"
    return title + table(["case", *shown], lines) if lines else ""


def _shown(found: Row) -> list[str]:
    """Who took part, or should have."""
    failed = _failed(found)
    return [name for name in COLUMNS if name in failed or any(row[name] for row in found["rows"])]


def _failed(found: Row) -> set[str]:
    return {who.split()[0] for who in found["problems"]}


def _cell(found: Row, row: Row, name: str, text: Callable[[Row], str]) -> str:
    if row[name]:
        return text(row[name])
    return "failed" if name in _failed(found) else "-"


def _memory(sizes: Mapping[str, Mapping[str, float]]) -> str:
    header = ["server", "process with the session", "whole tree"]
    lines = [
        [name, *(_number(size[of], 0) for of in ("serving", "tree"))]
        for name, size in sizes.items()
    ]
    title = "## Memory with the MLP alone, idle after load, MiB PSS\n\n"
    return title + table(header, lines) if lines else ""


def _case(row: Row) -> str:
    return (
        f"{row['case']} {row['protocol']}" if row["case"] != row["protocol"] else str(row["case"])
    )


def _rps(numbers: Row) -> str:
    mark = "\\*" if numbers["variant"] == "batching" else ""
    failed = f" ({numbers['failed']} failed)" if numbers["failed"] else ""
    return _number(numbers["rps"], 0 if numbers["rps"] >= 100 else 1) + mark + failed


def _percentiles(numbers: Row) -> str:
    return f"{_milliseconds(numbers['p50'])} / {_milliseconds(numbers['p99'])}"


def _added_p50(numbers: Row) -> str:
    return _number(numbers["added_p50"], 2)


def _milliseconds(value: float) -> str:
    return _number(value, 2 if value < 10 else 0)


def _number(value: float | None, digits: int) -> str:
    return "-" if value is None else f"{value:,.{digits}f}"


def table(header: list[str], lines: list[list[str]]) -> str:
    widths = [max(len(line[place]) for line in [header, *lines]) for place in range(len(header))]
    rule = ["-" * width for width in widths]
    texts = [" | ".join(map(str.ljust, line, widths)) for line in [header, rule, *lines]]
    return "\n".join(f"| {text} |" for text in texts)
