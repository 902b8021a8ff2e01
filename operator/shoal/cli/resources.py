"""Where a command's resources are: this machine's home, or a cluster."""

import importlib
from collections.abc import Sequence
from typing import Any, Protocol, cast

import click

from shoal.api import Event, Fleet, Model
from shoal.api.kinds import Kind
from shoal.cli.scope import Scope
from shoal.cluster import Resource
from shoal.cluster.local import Store
from shoal.errors import InvalidResource


class Done(Protocol):
    """What was done to a resource, in kubectl's word."""

    @property
    def verb(self) -> str: ...


class Resources(Protocol):
    """What commands ask for. The home's `Store` and a cluster's `RemoteStore` are such."""

    @property
    def namespace(self) -> str:
        """The one that is meant where none is said."""

    def get(self, kind: type[Resource], namespace: str, name: str) -> Resource | None:
        """The resource with its status, or None."""

    def list(self, kind: type[Resource], namespace: str | None = None) -> list[Resource]:
        """Every resource of a kind that makes sense, in a namespace or in all of them."""

    def invalid(
        self, kind: type[Resource], namespace: str | None = None
    ) -> Sequence[InvalidResource]:
        """What is wrong with those that make none. A cluster tells of the last list only."""

    def apply(self, resource: Model | Fleet) -> Done:
        """Create it, or bring it to what is given."""

    def scale(self, model: Model, replicas: int) -> None:
        """Set how many replicas serve a Model."""

    def delete(self, kind: type[Resource], namespace: str, name: str) -> bool:
        """Whether it existed."""

    def events(self, kind: type[Resource], namespace: str, name: str) -> Sequence[Event]:
        """What happened to a resource, oldest first."""


def resources_of(scope: Scope) -> Resources:
    """Those that the scope means."""
    return cast("Resources", _remote(scope)) if scope.on_cluster else Store(scope.home)


def searched(scope: Scope, store: Resources, kind: Kind) -> str | None:
    """The namespace in which resources of a kind are listed; None for all of them."""
    if scope.everywhere or not kind.namespaced:
        return None
    return scope.namespace or store.namespace


def _remote(scope: Scope) -> Any:
    """The cluster's `RemoteStore`, imported only here: its client takes a while.

    The connection is closed when the command ends.
    """
    remote = importlib.import_module("shoal.cluster.remote")
    connection = remote.connect(scope.kubeconfig, scope.kube_context)
    click.get_current_context().call_on_close(connection.client.close)
    return remote.RemoteStore(connection)
