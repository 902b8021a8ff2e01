"""`shoal scale`."""

import click

from shoal.api import Model
from shoal.cli.command import Command
from shoal.cli.exits import FAILED, say
from shoal.cli.kinds import MODELS, named_targets_of
from shoal.cli.naming import resources_argument
from shoal.cli.scope import Scope, pass_scope, scoped
from shoal.cli.world import World


@click.command(cls=Command, example="shoal scale model/alarm-triage --replicas 3")
@resources_argument("model/NAME...")
@click.option("--replicas", type=int, required=True, help="How many replicas to run.")
@scoped
@pass_scope
def scale(scope: Scope, what: tuple[str, ...], replicas: int) -> int:
    """Set how many replicas serve a model."""
    targets = named_targets_of(what)
    if any(target.kind is not MODELS for target in targets):
        raise click.ClickException("only models can be scaled")
    world = World(scope)
    found, errors = world.find(targets)
    for model in (one for one in found if isinstance(one, Model)):
        world.store.scale(model, replicas)
        click.echo(f"{MODELS.shown(model.metadata.name)} scaled")
    for error in errors:
        say(error)
    return FAILED if errors else 0
