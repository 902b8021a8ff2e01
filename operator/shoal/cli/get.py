"""`shoal get`."""

from collections.abc import Sequence

import click

from shoal.api import Fleet, Model
from shoal.cli.command import Command
from shoal.cli.exits import FAILED, say
from shoal.cli.kinds import Target, targets_of
from shoal.cli.naming import resources_argument
from shoal.cli.printing import Printer, output_option
from shoal.cli.scope import Scope, everywhere_option, pass_scope, scoped
from shoal.cli.tables import Style
from shoal.cli.world import World

_POLL_S = 0.2


@click.command(cls=Command, example="shoal get models -o wide")
@resources_argument("TYPE[/NAME] [NAME]...")
@output_option
@click.option("-w", "--watch", is_flag=True, help="Go on, and print what changes.")
@everywhere_option
@scoped
@pass_scope
def get(scope: Scope, what: tuple[str, ...], output: str | None, watch: bool) -> int:
    """Show resources: models (mdl), fleets (flt), or some of them by name."""
    targets = targets_of(what)
    named = [target for target in targets if target.name]
    if named and scope.everywhere:
        problem = "a resource cannot be retrieved by name across all namespaces"
        raise click.ClickException(problem)
    world = World(scope)
    kinds = {target.kind for target in targets}
    printer = Printer(output, Style(output == "wide", scope.everywhere, len(kinds) > 1))
    found, errors = world.find(targets)
    if found or not (errors or named):
        printer.show(found, alone=len(targets) == len(named) == 1)
    if not (found or errors or printer.for_programs):
        _say_none(world, targets)
    world.warn_of_invalid(kinds)
    for error in errors:
        say(error)
    if watch and not errors:
        _follow(world, targets, printer, found)
    return FAILED if errors else 0


def _say_none(world: World, targets: Sequence[Target]) -> None:
    namespace = next(filter(None, (world.searched(target.kind) for target in targets)), None)
    where = f" in {namespace} namespace." if namespace else ""
    click.echo(f"No resources found{where}", err=True)


def _follow(
    world: World, targets: Sequence[Target], printer: Printer, seen: Sequence[Model | Fleet]
) -> None:
    while True:
        world.pause(_POLL_S)
        found, _ = world.find(targets)
        printer.show_changes([one for one in found if one not in seen])
        seen = found
