"""The words for kinds and resources: `models`, `mdl`, `model/NAME`, `models,fleets`."""

from collections.abc import Sequence
from typing import NamedTuple

import click

from shoal.api import Fleet, Model
from shoal.api.kinds import FLEETS, KINDS, MODELS, Kind

__all__ = ["FLEETS", "KINDS", "MODELS", "Kind"]


class Target(NamedTuple):
    """A resource by name, or every resource of a kind."""

    kind: Kind
    name: str | None


def kind_named(word: str) -> Kind:
    """The kind that a word means."""
    for kind in KINDS:
        if word.lower() in kind.words:
            return kind
    raise click.ClickException(f'the server doesn\'t have a resource type "{word}"')


def kind_of(resource: Model | Fleet) -> Kind:
    """The kind of a resource."""
    return MODELS if isinstance(resource, Model) else FLEETS


def targets_of(words: Sequence[str]) -> list[Target]:
    """`TYPE/NAME...`, or `TYPE[,TYPE...] [NAME...]`."""
    if not words:
        raise click.UsageError("Required resource not specified.", click.get_current_context())
    if any("/" in word for word in words):
        return [_slashed(word) for word in words]
    kinds = [kind_named(word) for word in words[0].split(",")]
    if len(words) == 1:
        return [Target(kind, None) for kind in kinds]
    return [Target(kind, name) for kind in kinds for name in words[1:]]


def named_targets_of(words: Sequence[str]) -> list[Target]:
    """The same, where every resource must be named."""
    targets = targets_of(words)
    if any(target.name is None for target in targets):
        raise click.ClickException("resource(s) were provided, but no name was specified")
    return targets


def model_target_of(words: Sequence[str]) -> Target:
    """The one model that the words name."""
    named = len(words) == 2 or (len(words) == 1 and "/" in words[0])
    targets = targets_of(words) if named else []
    if len(targets) != 1 or targets[0].kind is not MODELS:
        problem = f"expected one model/NAME, got {' '.join(words) or 'nothing'}"
        raise click.UsageError(problem, click.get_current_context())
    return targets[0]


def _slashed(word: str) -> Target:
    kind, slash, name = word.partition("/")
    if not (slash and name) or "/" in name:
        raise click.ClickException(
            f"arguments in resource/name form must be like model/NAME: {word}"
        )
    return Target(kind_named(kind), name)
