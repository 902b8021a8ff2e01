"""`shoal describe`."""

from datetime import UTC, datetime

import click

from shoal.api import Fleet, Model
from shoal.cli.command import Command
from shoal.cli.describing import describe as described
from shoal.cli.exits import FAILED, say
from shoal.cli.kinds import targets_of
from shoal.cli.naming import resources_argument
from shoal.cli.scope import Scope, everywhere_option, pass_scope, scoped
from shoal.cli.world import World


@click.command(cls=Command, example="shoal describe model/alarm-triage")
@resources_argument("TYPE[/NAME] [NAME]...")
@everywhere_option
@scoped
@pass_scope
def describe(scope: Scope, what: tuple[str, ...]) -> int:
    """Show everything that is known of resources, and what happened to them."""
    targets = targets_of(what)
    world = World(scope)
    found, errors = world.find(targets)
    click.echo("\n\n\n".join(_text(world, resource) for resource in found), nl=bool(found))
    world.warn_of_invalid({target.kind for target in targets})
    for error in errors:
        say(error)
    return FAILED if errors else 0


def _text(world: World, resource: Model | Fleet) -> str:
    meta = resource.metadata
    events = world.store.events(type(resource), meta.namespace or "", meta.name)
    return described(resource, events, datetime.now(UTC))
