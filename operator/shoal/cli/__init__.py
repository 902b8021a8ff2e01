"""`shoal`: a person's way in. kubectl's words, columns and exit codes, here and on a cluster.

A command reads what was typed, asks the store (or, to infer and chat, the model), and prints. It
decides nothing; what should be served is said in resources, and `shoal up` sees to it. A command's
module is imported when it is run, so that `shoal version` need not load the API.
"""

import importlib
import os
import sys
from typing import Any, NoReturn

import click

from shoal.cli.command import write_example
from shoal.cli.exits import exit_code
from shoal.cli.scope import scoped

_EXAMPLE = "shoal up -f manifests/samples --detach\nshoal get models"
_MODULES = {
    "up": "up",
    "down": "up",
    "apply": "apply",
    "get": "get",
    "describe": "describe",
    "delete": "delete",
    "scale": "scale",
    "wait": "wait",
    "logs": "logs",
    "infer": "infer",
    "chat": "chat",
    "operator": "operating",
    "version": "about",
    "completion": "about",
}


class _Commands(click.Group):
    """The command tree, in the order in which people meet it."""

    def list_commands(self, _: click.Context) -> list[str]:
        return list(_MODULES)

    def get_command(self, _: click.Context, name: str) -> click.Command | None:
        if name not in _MODULES:
            return None
        module = importlib.import_module(f"shoal.cli.{_MODULES[name]}")
        command: click.Command = getattr(module, name)
        return command

    def format_epilog(self, _: click.Context, formatter: click.HelpFormatter) -> None:
        write_example(_EXAMPLE, formatter)

    def main(self, *args: Any, **kwargs: Any) -> NoReturn:
        try:
            code = super().main(*args, **{**kwargs, "standalone_mode": False})
        except Exception as error:
            code = exit_code(error)
        sys.exit(code)


@click.group(cls=_Commands, invoke_without_command=True)
@scoped
@click.pass_context
def main(context: click.Context) -> None:
    """Shoal serves models. It runs here with `up`; the rest speaks of resources, like kubectl."""
    if os.environ.get("NO_COLOR"):
        context.color = False
    if context.invoked_subcommand is None:
        click.echo(context.get_help())
