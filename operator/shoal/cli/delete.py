"""`shoal delete`."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import click

from shoal.api import Fleet, Model
from shoal.cli.command import Command
from shoal.cli.exits import FAILED, say
from shoal.cli.filenames import filename_option, read
from shoal.cli.kinds import Kind, kind_of, named_targets_of, targets_of
from shoal.cli.naming import resources_argument
from shoal.cli.resources import Resources, resources_of, searched
from shoal.cli.scope import Scope, everywhere_option, pass_scope, scoped
from shoal.errors import ResourceNotFound


class _Doomed(NamedTuple):
    kind: Kind
    namespace: str
    name: str


@click.command(cls=Command, example="shoal delete model/alarm-triage")
@resources_argument("[TYPE[/NAME] [NAME]...]")
@filename_option
@click.option("--all", "every", is_flag=True, help="Delete every resource of the type.")
@click.option("--ignore-not-found", is_flag=True, help="What is not there is no error.")
@everywhere_option
@scoped
@pass_scope
def delete(
    scope: Scope,
    what: tuple[str, ...],
    filenames: tuple[Path, ...],
    every: bool,
    ignore_not_found: bool,
) -> int:
    """Delete resources by name, by file, or all of a type."""
    if bool(what) == bool(filenames):
        raise click.UsageError("expected either resources or -f", click.get_current_context())
    store = resources_of(scope)
    resources, errors = read(filenames, scope)
    doomed = [_by_resource(resource) for resource in resources]
    if what and every:
        doomed = _every(store, what, scope)
    elif what:
        targets = named_targets_of(what)
        doomed = [_Doomed(kind, scope.namespace or "", str(name)) for kind, name in targets]
    missing = [one for one in doomed if not _delete(store, one)]
    if not ignore_not_found:
        errors += [ResourceNotFound(one.kind.plural, one.name) for one in missing]
    for error in errors:
        say(error)
    return FAILED if errors else 0


def _every(store: Resources, what: Sequence[str], scope: Scope) -> list[_Doomed]:
    targets = targets_of(what)
    if any(target.name for target in targets):
        raise click.ClickException("name cannot be provided when --all is specified")
    doomed = [
        _by_resource(resource)
        for kind, _ in targets
        for resource in store.list(kind.type, searched(scope, store, kind))
    ]
    if not doomed:
        click.echo("No resources found", err=True)
    return doomed


def _by_resource(resource: Model | Fleet) -> _Doomed:
    meta = resource.metadata
    return _Doomed(kind_of(resource), meta.namespace or "", meta.name)


def _delete(store: Resources, doomed: _Doomed) -> bool:
    existed = store.delete(doomed.kind.type, doomed.namespace, doomed.name)
    if existed:
        click.echo(f'{doomed.kind.full} "{doomed.name}" deleted')
    return existed
