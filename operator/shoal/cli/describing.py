"""A resource told to a person, as `kubectl describe` tells it."""

import re
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from shoal.api import Event, Fleet, Model
from shoal.cli.ages import age
from shoal.cli.objects import as_object
from shoal.cli.tables import lay_out

_NONE = "<none>"
_INDENT = "  "
_GAP = 2

_ACRONYMS = {"api": "API", "kv": "KV", "uid": "UID", "url": "URL"}

# A label and its text; a label without a text stands above the lines that belong to it.
_Line = tuple[str, str | None]


def describe(resource: Model | Fleet, events: Sequence[Event], now: datetime) -> str:
    """Everything that is known of a resource, and what happened to it."""
    said = as_object(resource)
    meta = dict(said["metadata"])
    lines: list[_Line] = [
        ("Name:", meta.pop("name")),
        ("Namespace:", meta.pop("namespace", "")),
        *_pairs("Labels:", meta.pop("labels", {}), "="),
        *_pairs("Annotations:", meta.pop("annotations", {}), ": "),
        ("API Version:", said["apiVersion"]),
        ("Kind:", said["kind"]),
        *_tell({"metadata": meta, "spec": said["spec"], "status": said["status"]}, ""),
    ]
    return "\n".join([*_aligned(lines), *_events(events, now)])


def _pairs(label: str, pairs: dict[str, str], sign: str) -> list[_Line]:
    texts = [f"{key}{sign}{value}" for key, value in sorted(pairs.items())] or [_NONE]
    return [(label if at == 0 else "", text) for at, text in enumerate(texts)]


def _tell(value: dict[str, Any], indent: str) -> Iterable[_Line]:
    for key, part in sorted(value.items()):
        label = f"{indent}{_label(key)}:"
        if isinstance(part, dict):
            yield label, None
            yield from _tell(part, indent + _INDENT)
        elif isinstance(part, list):
            yield label, None
            yield from _tell_list(part, indent + _INDENT)
        else:
            yield label, str(part).lower() if isinstance(part, bool) else str(part)


def _tell_list(parts: list[Any], indent: str) -> Iterable[_Line]:
    for part in parts:
        if isinstance(part, dict):
            yield from _tell(part, indent)
        else:
            yield f"{indent}{part}", None


def _label(key: str) -> str:
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", key).split()
    return " ".join(_ACRONYMS.get(word, word[:1].upper() + word[1:]) for word in words)


def _aligned(lines: Sequence[_Line]) -> list[str]:
    """Texts of lines that follow each other begin in the same column."""
    told: list[str] = []
    block: list[tuple[str, str]] = []
    for label, text in [*lines, ("", None)]:
        if text is not None:
            block.append((label, text))
            continue
        width = max((len(one) for one, _ in block), default=0) + _GAP
        told += [one.ljust(width) + text for one, text in block]
        told += [label] if label else []
        block = []
    return told


def _events(events: Sequence[Event], now: datetime) -> list[str]:
    if not events:
        return ["Events:  " + _NONE]
    rows = [
        ("Type", "Reason", "Age", "From", "Message"),
        ("----", "------", "----", "----", "-------"),
    ]
    rows += [
        (event.type, event.reason, _when(event, now), "shoal", event.message) for event in events
    ]
    return ["Events:", *(_INDENT + line for line in lay_out(rows, _GAP))]


def _when(event: Event, now: datetime) -> str:
    newest = age(event.last_timestamp, now)
    if event.count == 1:
        return newest
    return f"{newest} (x{event.count} over {age(event.first_timestamp, now)})"
