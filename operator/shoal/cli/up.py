"""`shoal up` and `shoal down`.

What they need of the machine is imported when they run, so that the other commands work in an
environment that serves nothing.
"""

import functools
from pathlib import Path
from types import ModuleType

import click

from shoal.cli.command import Command
from shoal.cli.filenames import STDIN, filename_option
from shoal.cli.scope import Scope, home_option, pass_scope


@click.command(cls=Command, example="shoal up -f manifests/samples")
@filename_option
@click.option("--port", type=click.IntRange(1, 65535), default=8000, help="Default: 8000.")
@click.option(
    "--cpus",
    type=click.FloatRange(min=0, min_open=True),
    help="Processors that models may ask for (default: four times those of this machine).",
)
@click.option("--detach", is_flag=True, help="Return once it runs, and leave it running.")
@home_option
@pass_scope
def up(
    scope: Scope, filenames: tuple[Path, ...], port: int, cpus: float | None, detach: bool
) -> None:
    """Serve models on this machine, until Ctrl-C or `shoal down`.

    Files and folders given with -f are applied, and applied again whenever they are edited.
    """
    if STDIN in filenames:
        raise click.UsageError("standard input cannot be watched", click.get_current_context())
    laptop = _laptop()
    if detach:
        from shoal.cli.detaching import start

        click.echo(start(scope.home, _arguments(scope, filenames, port, cpus)))
        return
    from shoal.cli.showing import show

    laptop.up(scope.home, filenames, port, cpus, functools.partial(show, scope.home))


@click.command(cls=Command, example="shoal down")
@home_option
@pass_scope
def down(scope: Scope) -> None:
    """Stop what `shoal up` started. The resources stay."""
    stopped = _laptop().down(scope.home)
    word = "Shoal stopped." if stopped else f"Shoal was not running on {scope.home}."
    click.echo(word, err=not stopped)


def _arguments(
    scope: Scope, filenames: tuple[Path, ...], port: int, cpus: float | None
) -> list[str]:
    files = [word for path in filenames for word in ("-f", str(path))]
    asked = ["--cpus", str(cpus)] if cpus else []
    return ["up", "--home", str(scope.home), "--port", str(port), *asked, *files]


def _laptop() -> ModuleType:
    try:
        from shoal.manager import laptop
    except ModuleNotFoundError as error:
        raise click.ClickException(
            f"{error.name} is not installed: `pip install 'shoal[local]'` brings it"
        ) from error
    return laptop
