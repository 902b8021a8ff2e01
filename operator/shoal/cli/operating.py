"""`shoal operator`: what the operator's pods run.

What it needs besides is imported when it runs.
"""

import logging
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from shoal.cli.command import Command
from shoal.cli.exits import FAILED
from shoal.errors import ShoalError
from shoal.settings import Address, LogLevel, Settings, own_namespace, parse_interval

logger = logging.getLogger(__name__)

Value = TypeVar("Value")
EXAMPLE = "shoal operator --serving-image registry.example/shoal-serving:1.0.0"


def _parsed(parse: Callable[[str], Value]) -> Callable[..., Value]:
    def callback(_: click.Context, parameter: click.Parameter, text: str) -> Value:
        try:
            return parse(text)
        except ValueError as error:
            raise click.BadParameter(str(error), param=parameter) from error

    return callback


def _namespace(_: click.Context, parameter: click.Parameter, said: str | None) -> str:
    namespace = said or own_namespace()
    if namespace is None:
        raise click.BadParameter("outside of a cluster it must be said", param=parameter)
    return namespace


@click.command(cls=Command, example=EXAMPLE)
@click.option(
    "--namespace",
    envvar="SHOAL_NAMESPACE",
    callback=_namespace,
    help="The operator's own namespace (default: the one of its pod).",
)
@click.option(
    "--serving-image",
    envvar="SHOAL_SERVING_IMAGE",
    required=True,
    help="The image of Fleets that name none.",
)
@click.option(
    "--listen",
    envvar="SHOAL_LISTEN",
    default="0.0.0.0:8080",
    show_default=True,
    callback=_parsed(Address.parse),
    help="Where /metrics, /healthz and /readyz are.",
)
@click.option(
    "--leader-election/--no-leader-election",
    envvar="SHOAL_LEADER_ELECTION",
    default=True,
    show_default=True,
    help="Whether several processes agree on one that works.",
)
@click.option(
    "--kubeconfig",
    envvar="SHOAL_KUBECONFIG",
    type=click.Path(dir_okay=False, path_type=Path),
    help="How to reach Kubernetes from outside of it (default: $KUBECONFIG, else ~/.kube/config).",
)
@click.option(
    "--resync",
    envvar="SHOAL_RESYNC",
    default="10m",
    show_default=True,
    callback=_parsed(parse_interval),
    help="How often everything is looked at, whether it changed or not.",
)
@click.option(
    "--log-level",
    envvar="SHOAL_LOG_LEVEL",
    type=click.Choice([level.value for level in LogLevel]),
    default=LogLevel.INFO.value,
    show_default=True,
    callback=_parsed(LogLevel),
    help="From which records on they are logged.",
)
def operator(**said: Any) -> None:
    """Serve the Models and Fleets of a Kubernetes cluster, until SIGTERM."""
    from shoal.manager.operating import operate

    try:
        operate(Settings(**said))
    except Exception as error:
        logger.critical("%s", error, exc_info=not isinstance(error, ShoalError))
        sys.exit(FAILED)
