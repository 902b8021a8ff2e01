"""The document as tables."""

from collections.abc import Sequence
from typing import Any

from bench.llm.report import OTHERS, Row
from bench.tables import table


def markdown(found: Row) -> str:
    parts = [
        _rates(found["batches"]),
        _times(found["batches"]),
        _pairs(
            "Answers of different lengths, 64 at once, tokens/s", found["mixed"], "ours", "genai"
        ),
        _pairs("Over HTTP, tokens/s", found["http"], "http", "engine"),
        _plain("First token of 272 of which 256 are known, ms", found["prefix"]),
        _plain("8 streams while a prompt of 900 tokens is computed, ms", found["interrupted"]),
        _plain("A step, and what of it is in ONNX Runtime, ms", found["overhead"]),
        _plain("Memory that the model and its work added, MiB PSS", found["memory"]),
        _plain("Picking one token among 128 256, ms", [found["sampler"]]),
        _plain("Products with a matrix of 50 million weights", found["limit"]),
        _problems(found["problems"]),
    ]
    machine = "; ".join(f"{key}: {value}" for key, value in found["machine"].items())
    return "\n\n".join(["# Generating text", machine, *filter(None, parts)]) + "\n"


def _rates(rows: Sequence[Row]) -> str:
    header = [
        "model",
        "batch",
        "ours",
        *OTHERS,
        "limit",
        "ours / each",
        "/ limit",
        "ours with drafts",
    ]
    lines = [
        [
            f"{row['model']} {row['precision']}",
            str(row["rows"]),
            *(_rate(row.get(name)) for name in ("ours", *OTHERS)),
            _text(row["limit"]),
            " / ".join(_text(row["ratios"][name]) for name in OTHERS),
            _text(row["ratio_to_limit"]),
            _text(row.get("drafting")),
        ]
        for row in rows
    ]
    return "## New tokens per second\n\n" + table(header, lines)


def _times(rows: Sequence[Row]) -> str:
    header = ["model", "batch", *("ours", *OTHERS)]
    lines = [
        [
            f"{row['model']} {row['precision']}",
            str(row["rows"]),
            *(_latencies(row.get(name)) for name in ("ours", *OTHERS)),
        ]
        for row in rows
    ]
    title = "## First token p50 / p99, then between tokens p50 / p99, ms\n\n"
    return title + table(header, lines)


def _pairs(title: str, rows: Sequence[Row], one: str, other: str) -> str:
    lines = [
        [
            " ".join(str(row[key]) for key in ("model", "streams") if key in row),
            *(_rate(row.get(name)) for name in (one, other)),
            _text(row["ratio"]),
            *(_latencies(row.get(name)) for name in (one, other)),
        ]
        for row in rows
    ]
    header = ["", one, other, "ratio", f"{one}: first, next", f"{other}: first, next"]
    return f"## {title}\n\n" + table(header, lines) if lines else ""


def _plain(title: str, rows: Sequence[Row]) -> str:
    rows = [row for row in rows if row]
    header = list(dict.fromkeys(key for row in rows for key in row))
    lines = [[_text(row.get(key)) for key in header] for row in rows]
    return f"## {title}\n\n" + table(header, lines) if lines else ""


def _problems(problems: dict[str, str]) -> str:
    lines = [f"- {who}: {problem}" for who, problem in problems.items()]
    return "## What did not work\n\n" + "\n".join(lines) if lines else ""


def _rate(sample: Row | None) -> str:
    return _text(sample["rate"]) if sample else "-"


def _latencies(sample: Row | None) -> str:
    if not sample:
        return "-"
    keys = ("first_p50", "first_p99", "next_p50", "next_p99")
    first50, first99, next50, next99 = (_text(sample[key]) for key in keys)
    return f"{first50} / {first99}, {next50} / {next99}"


def _text(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, float):
        return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
    return str(value)
