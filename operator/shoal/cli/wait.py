"""`shoal wait`."""

import time

import click

from shoal.api import Fleet, Model
from shoal.cli.command import Command
from shoal.cli.exits import FAILED, say
from shoal.cli.goals import Goal, goal_of, seconds_of
from shoal.cli.kinds import Target, named_targets_of, targets_of
from shoal.cli.naming import resources_argument
from shoal.cli.progress import Progress, blocker, step
from shoal.cli.scope import Scope, pass_scope, scoped
from shoal.cli.world import World
from shoal.errors import ResourceNotFound

_POLL_S = 0.1


@click.command(
    cls=Command, example="shoal wait model/alarm-triage --for condition=Ready --timeout 60s"
)
@resources_argument("TYPE[/NAME] [NAME]...")
@click.option(
    "--for", "goal", callback=goal_of, required=True, help="condition=NAME[=STATUS], or delete."
)
@click.option("--timeout", callback=seconds_of, default="30s", help="How long (default: 30s).")
@click.option("--all", "every", is_flag=True, help="Wait for every resource of the type.")
@scoped
@pass_scope
def wait(scope: Scope, what: tuple[str, ...], goal: Goal, timeout: float, every: bool) -> int:
    """Wait until resources are as they should be, for the spec that was applied last."""
    world = World(scope)
    targets = _every(world, what) if every else named_targets_of(what)
    deadline = time.monotonic() + timeout
    errors = [error for target in targets if (error := _wait(world, target, goal, deadline))]
    for error in errors:
        say(error)
    return FAILED if errors else 0


def _every(world: World, what: tuple[str, ...]) -> list[Target]:
    found = [(kind, one) for kind, _ in targets_of(what) for one in world.list(kind)]
    if not found:
        raise click.ClickException("no matching resources found")
    return [Target(kind, one.metadata.name) for kind, one in found]


def _wait(world: World, target: Target, goal: Goal, deadline: float) -> Exception | None:
    """What kept the goal from being met, if anything did."""
    resource = _look(world, target)
    if resource is None:
        missing = ResourceNotFound(target.kind.plural, str(target.name))
        return None if goal.is_met(None) else missing
    with Progress() as progress:
        while not goal.is_met(resource):
            if time.monotonic() >= deadline:
                return _timed_out(target, resource)
            if resource is not None:
                progress.show(step(resource))
            world.pause(_POLL_S, deadline)
            resource = _look(world, target)
    click.echo(f"{target.kind.shown(str(target.name))} condition met")
    return None


def _look(world: World, target: Target) -> Model | Fleet | None:
    try:
        return world.get(target.kind, str(target.name))
    except ResourceNotFound:
        return None


def _timed_out(target: Target, resource: Model | Fleet | None) -> Exception:
    blocking = blocker(resource) if resource else None
    why = f"\n{target.name}: {blocking.reason}: {blocking.message}" if blocking else ""
    return click.ClickException(
        f"timed out waiting for the condition on {target.kind.plural}/{target.name}{why}"
    )
