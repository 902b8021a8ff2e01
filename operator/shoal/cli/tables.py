"""Resources as tables: the columns that `kubectl get` shows on a cluster."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, NamedTuple

import click

from shoal.api import Condition, ConditionType, Fleet, Model
from shoal.cli.ages import age
from shoal.cli.kinds import Kind, kind_of

_GAP = 3
_COLOURS = {"True": "green", "False": "red", "Unknown": "yellow"}


class Column(NamedTuple):
    """A column; a wide one is shown with `-o wide` only."""

    title: str
    text: Callable[[Any, datetime], str]
    wide: bool = False


class Style(NamedTuple):
    """How a table is shown: wide, with namespaces, with the kind before each name."""

    wide: bool = False
    namespaces: bool = False
    kinds: bool = False


def condition(resource: Model | Fleet, kind: ConditionType) -> Condition | None:
    """A condition of a resource, if it has one."""
    return next((one for one in resource.status.conditions if one.type == kind), None)


def columns(kind: Kind, style: Style) -> list[Column]:
    """What is shown of a kind."""
    first = [Column("NAMESPACE", lambda one, _: one.metadata.namespace or "")]
    name = Column("NAME", lambda one, _: _name(one, style))
    chosen = [column for column in _COLUMNS[kind.plural] if style.wide or not column.wide]
    return [*(first if style.namespaces and kind.namespaced else []), name, *chosen]


def table(resources: Sequence[Model | Fleet], style: Style, now: datetime) -> list[str]:
    """Lines, the titles first, for resources of one kind."""
    return lay_out(cells(resources, style, now))


def cells(resources: Sequence[Model | Fleet], style: Style, now: datetime) -> list[list[str]]:
    """What a table says, row by row, the titles first."""
    chosen = columns(kind_of(resources[0]), style)
    titles = [column.title for column in chosen]
    return [titles, *([column.text(one, now) for column in chosen] for one in resources)]


def lay_out(rows: Sequence[Sequence[str]], gap: int = _GAP, least: Sequence[int] = ()) -> list[str]:
    """Cells in columns as wide as their longest (and at `least` so wide), `gap` spaces apart."""
    widths = widths_of(rows, least)
    return [_line(row, [width + gap for width in widths]) for row in rows]


def widths_of(rows: Sequence[Sequence[str]], least: Sequence[int] = ()) -> list[int]:
    """How wide each column is."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [max(pair) for pair in zip(widths, least or widths, strict=True)]


def _line(row: Sequence[str], widths: Sequence[int]) -> str:
    last = len(row) - 1
    padded = (cell if at == last else cell.ljust(widths[at]) for at, cell in enumerate(row))
    return "".join(_coloured(cell) for cell in padded)


def _coloured(cell: str) -> str:
    word = cell.rstrip()
    colour = _COLOURS.get(word)
    return cell.replace(word, click.style(word, fg=colour)) if colour else cell


def _name(resource: Model | Fleet, style: Style) -> str:
    name = resource.metadata.name
    return kind_of(resource).shown(name) if style.kinds else name


def _ready(resource: Model | Fleet, _: datetime) -> str:
    ready = condition(resource, ConditionType.READY)
    return ready.status if ready else ""


def _reason(resource: Model | Fleet, _: datetime) -> str:
    ready = condition(resource, ConditionType.READY)
    return ready.reason if ready else ""


def _age(resource: Model | Fleet, now: datetime) -> str:
    return age(resource.metadata.creation_timestamp, now)


def _model_replicas(model: Model, _: datetime) -> str:
    return f"{model.status.replicas.ready}/{model.status.replicas.desired}"


def _gpu(model: Model, _: datetime) -> str:
    """What each replica has: a share of one in bytes, or so many."""
    placement = model.status.placement
    return "" if placement is None else placement.gpu_memory or str(placement.gpus or "")


_READY = Column("READY", _ready)
_REASON = Column("REASON", _reason)
_AGE = Column("AGE", _age)
_COLUMNS = {
    "models": (
        _READY,
        _REASON,
        Column("TASK", lambda model, _: model.spec.task),
        Column("REPLICAS", _model_replicas),
        Column("GPU", _gpu),
        Column("URL", lambda model, _: model.status.url or "", wide=True),
        Column("REVISION", lambda model, _: model.status.revision or "", wide=True),
        _AGE,
    ),
    "fleets": (
        _READY,
        _REASON,
        Column(
            "MODELS", lambda fleet, _: f"{fleet.status.models.ready}/{fleet.status.models.total}"
        ),
        Column(
            "WORKERS",
            lambda fleet, _: f"{fleet.status.workers.ready}/{fleet.status.workers.desired}",
        ),
        Column("GPUS", lambda fleet, _: str(fleet.status.gpus)),
        _AGE,
    ),
}
