"""`-f`: files, folders and standard input, as resources in the namespace that was asked for."""

import sys
from collections.abc import Sequence
from pathlib import Path

import click

from shoal.api import Fleet, Model
from shoal.cli.scope import Scope
from shoal.cluster.local import Loaded, load, load_bytes

STDIN = Path("-")


def _exist(_: click.Context, __: click.Parameter, paths: tuple[Path, ...]) -> tuple[Path, ...]:
    for path in paths:
        if path != STDIN and not path.exists():
            raise click.ClickException(f'the path "{path}" does not exist')
    return paths


filename_option = click.option(
    "-f",
    "--filename",
    "filenames",
    multiple=True,
    type=click.Path(path_type=Path),
    callback=_exist,
    help="A manifest file, a folder of them, or - for standard input.",
)


def read(filenames: Sequence[Path], scope: Scope) -> tuple[list[Model | Fleet], list[Exception]]:
    """Every resource that the files say, each in its namespace, and everything that is wrong."""
    loaded = [_load(path, scope) for path in filenames]
    errors: list[Exception] = [problem for one in loaded for problem in one.problems]
    resources = []
    for resource in (resource for one in loaded for resource in one.resources):
        try:
            resources.append(_placed(resource, scope.namespace))
        except click.ClickException as error:
            errors.append(error)
    return resources, errors


def _load(path: Path, scope: Scope) -> Loaded:
    """On a cluster, a relative `file:` address is not one of this machine."""
    if path == STDIN:
        folder = None if scope.on_cluster else Path.cwd()
        return load_bytes(sys.stdin.buffer.read(), "standard input", folder)
    return load(path, anchored=not scope.on_cluster)


def _placed(resource: Model | Fleet, namespace: str | None) -> Model | Fleet:
    said = resource.metadata.namespace
    if isinstance(resource, Fleet) or namespace in (None, said):
        return resource
    if said is not None:
        raise click.ClickException(
            f'the namespace from the provided object "{said}" does not match the namespace '
            f"\"{namespace}\". You must pass '--namespace={said}' to perform this operation."
        )
    placed = resource.metadata.model_copy(update={"namespace": namespace})
    return resource.model_copy(update={"metadata": placed})
