"""Which resources a command speaks of: the home or the cluster, the namespace, or all of them.

The options may stand before or after the command, as with kubectl.
"""

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import click

Command = TypeVar("Command", bound=Callable[..., Any])


def _default_context() -> str | None:
    return os.environ.get("SHOAL_KUBE_CONTEXT") or None


def _default_home() -> Path:
    return Path(os.environ.get("SHOAL_HOME") or "~/.shoal").expanduser()


@dataclass
class Scope:
    """What was said; no namespace means that of the context, or `default` at home, or every one
    where `everywhere` is true.

    A kubeconfig or a context means that cluster, in the place of this machine's home.
    """

    home: Path = field(default_factory=_default_home)
    kubeconfig: Path | None = None
    kube_context: str | None = field(default_factory=_default_context)
    namespace: str | None = None
    everywhere: bool = False

    @property
    def on_cluster(self) -> bool:
        """Whether the resources are those of a Kubernetes cluster."""
        return self.kubeconfig is not None or self.kube_context is not None


pass_scope = click.make_pass_decorator(Scope, ensure=True)


def _keep(context: click.Context, parameter: click.Parameter, value: Any) -> None:
    if value:
        setattr(context.ensure_object(Scope), str(parameter.name), value)


home_option = click.option(
    "--home",
    type=click.Path(file_okay=False, path_type=Path),
    callback=_keep,
    expose_value=False,
    help="The folder of resources (default: $SHOAL_HOME, else ~/.shoal).",
)

namespace_option = click.option(
    "-n",
    "--namespace",
    callback=_keep,
    expose_value=False,
    help="The namespace to speak of (default: the context's, else default).",
)

everywhere_option = click.option(
    "-A",
    "--all-namespaces",
    "everywhere",
    is_flag=True,
    callback=_keep,
    expose_value=False,
    help="Speak of every namespace.",
)


kubeconfig_option = click.option(
    "--kubeconfig",
    type=click.Path(dir_okay=False, exists=True, path_type=Path),
    callback=_keep,
    expose_value=False,
    help="Speak of the cluster of this kubeconfig.",
)

context_option = click.option(
    "--kube-context",
    callback=_keep,
    expose_value=False,
    help="Speak of the cluster of this kubeconfig context (default: $SHOAL_KUBE_CONTEXT).",
)


def scoped(command: Command) -> Command:
    """Give a command --home, --namespace, --kubeconfig and --kube-context."""
    return home_option(namespace_option(kubeconfig_option(context_option(command))))
