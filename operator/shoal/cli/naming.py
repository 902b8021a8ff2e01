"""The argument that names resources, and what a shell offers in its place."""

from collections.abc import Callable
from typing import Any

import click

from shoal.cli.kinds import KINDS, Kind, kind_named
from shoal.cli.resources import resources_of, searched
from shoal.cli.scope import Scope


def resources_argument(metavar: str) -> Callable[[Any], Any]:
    """`what`: any number of words, for `shoal.cli.kinds` to read."""
    return click.argument("what", nargs=-1, metavar=metavar, shell_complete=_offered)


def _offered(context: click.Context, _: click.Parameter, begun: str) -> list[str]:
    """Types and `type/NAME` first, then names of the type that was said."""
    said = context.params.get("what") or ()
    scope = context.ensure_object(Scope)
    if said and "/" not in said[0]:
        words = _names(scope, _kind(said[0]))
    else:
        words = [] if said else [kind.plural for kind in KINDS]
        for kind in KINDS:
            words += [f"{kind.singular}/{name}" for name in _names(scope, kind)]
    return [word for word in words if word.startswith(begun) and word not in said]


def _kind(word: str) -> Kind | None:
    try:
        return kind_named(word)
    except click.ClickException:
        return None


def _names(scope: Scope, kind: Kind | None) -> list[str]:
    if kind is None:
        return []
    store = resources_of(scope)
    return [one.metadata.name for one in store.list(kind.type, searched(scope, store, kind))]
