"""The resources of a cluster, as the API server has them."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, cast
from urllib.parse import urlsplit

from pydantic import ValidationError

from shoal.api import API_VERSION, Event, Fleet, Model, Reason
from shoal.cluster import Resource
from shoal.cluster.local import manifest_of
from shoal.cluster.remote.connection import Connection
from shoal.cluster.remote.logs import ReplicaLogs
from shoal.errors import InvalidResource

MANAGER = "shoal-cli"
_APPLY = "application/apply-patch+yaml"
_MERGE = "application/merge-patch+json"
_PLURALS: Mapping[type[Any], str] = {Model: "models", Fleet: "fleets"}


class Applied(NamedTuple):
    """What was done, in kubectl's word."""

    verb: str


class RemoteStore:
    """Asks with the rights of the connection's user. Every method raises what `ask` does."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self._problems: dict[tuple[type[Any], str | None], Sequence[InvalidResource]] = {}

    @property
    def namespace(self) -> str:
        """The one that is meant where none is said."""
        return self.connection.namespace

    def get(self, kind: type[Resource], namespace: str, name: str) -> Resource | None:
        """The resource with its status, or None."""
        found = self.connection.ask("GET", _path(kind, self._place(namespace), name))
        return None if found is None else _read(kind, found)

    def list(self, kind: type[Resource], namespace: str | None = None) -> list[Resource]:
        """Every resource of a kind that this version understands."""
        path = _path(kind, namespace if kind is Model else None)
        tried = [_tried(kind, one) for one in self.connection.ask("GET", path)["items"]]
        self._problems[kind, namespace] = [problem for _, problem in tried if problem is not None]
        return [one for one, _ in tried if one is not None]

    def invalid(self, kind: type[Resource], namespace: str | None) -> Sequence[InvalidResource]:
        """What is wrong with the rest of those that were listed last; nothing is asked for it."""
        return self._problems.get((kind, namespace), ())

    def apply(self, resource: Model | Fleet) -> Applied:
        """Create it, or bring it to what is given."""
        meta = resource.metadata
        path = _path(type(resource), self._place(meta.namespace or ""), meta.name)
        before = self.connection.ask("GET", path)
        params = {"fieldManager": MANAGER, "force": "true", "fieldValidation": "Strict"}
        body = manifest_of(resource)
        after = self.connection.ask("PATCH", path, params=params, body=body, content_type=_APPLY)
        return Applied(_verb(before, after))

    def scale(self, model: Model, replicas: int) -> None:
        """Set how many replicas serve a Model, through its scale subresource."""
        meta = model.metadata
        path = f"{_path(Model, meta.namespace, meta.name)}/scale"
        body = {"spec": {"replicas": replicas}}
        self.connection.ask("PATCH", path, body=body, content_type=_MERGE)

    def delete(self, kind: type[Resource], namespace: str, name: str) -> bool:
        """Whether it existed. What it owns goes after it."""
        return self.connection.ask("DELETE", _path(kind, self._place(namespace), name)) is not None

    def events(self, kind: type[Resource], namespace: str, name: str) -> Sequence[Event]:
        """What happened to a resource, by time; those of a Fleet are kept in `default`."""
        place = "default" if kind is Fleet else self._place(namespace)
        selector = f"involvedObject.kind={kind.__name__},involvedObject.name={name}"
        path = f"/api/v1/namespaces/{place}/events"
        found = self.connection.ask("GET", path, params={"fieldSelector": selector})
        events = [event for one in found["items"] if (event := _event(one)) is not None]
        return sorted(events, key=lambda event: event.last_timestamp)

    def logs(self, model: Model) -> ReplicaLogs:
        """What the replicas of a Model wrote."""
        return ReplicaLogs(self.connection, model)

    def proxied(self, url: str) -> str | None:
        """The path by which the API server carries requests to a Service's address in the cluster;
        None for an address outside of it.
        """
        parts = urlsplit(url)
        name, *place = (parts.hostname or "").split(".")
        if len(place) != 2 or place[1] != "svc":
            return None
        service = f"{name}:{parts.port or 80}"
        return f"/api/v1/namespaces/{place[0]}/services/{service}/proxy{parts.path}"

    def _place(self, namespace: str) -> str:
        return namespace or self.namespace


def _path(kind: type[Any], namespace: str | None, name: str = "") -> str:
    place = f"/namespaces/{namespace}" if kind is Model and namespace else ""
    return f"/apis/{API_VERSION}{place}/{_PLURALS[kind]}/{name}".rstrip("/")


def _read(kind: type[Resource], found: Mapping[str, Any]) -> Resource:
    meta = {key: value for key, value in found["metadata"].items() if key != "managedFields"}
    said = {"apiVersion": API_VERSION, "kind": kind.__name__, **found, "metadata": meta}
    try:
        return cast("Resource", kind.model_validate(said))
    except ValidationError as error:
        problems = tuple(
            f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors()
        )
        raise InvalidResource(f'{kind.__name__} "{meta["name"]}"', problems) from error


def _tried(
    kind: type[Resource], found: Mapping[str, Any]
) -> tuple[Resource | None, InvalidResource | None]:
    try:
        return _read(kind, found), None
    except InvalidResource as problem:
        return None, problem


def _verb(before: Mapping[str, Any] | None, after: Mapping[str, Any]) -> str:
    if before is None:
        return "created"
    return "unchanged" if _said(before) == _said(after) else "configured"


def _said(found: Mapping[str, Any]) -> tuple[Any, ...]:
    """What people say of it: the resource's version also changes when defaults are stored."""
    meta = found["metadata"]
    return (found["spec"], meta.get("labels"), meta.get("annotations"))


def _event(said: Mapping[str, Any]) -> Event | None:
    """One of the operator's own; others' reasons are not of the contract."""
    about, times = said["involvedObject"], said.get("series") or {}
    first: Any = said.get("firstTimestamp") or said.get("eventTime")
    last: Any = times.get("lastObservedTime") or said.get("lastTimestamp") or first
    if said.get("reason") not in {reason.value for reason in Reason}:
        return None
    return Event(
        kind=about["kind"],
        namespace=about.get("namespace", ""),
        name=about["name"],
        type=said["type"],
        reason=Reason.named(said["reason"]),
        message=said.get("message", ""),
        count=times.get("count") or said.get("count") or 1,
        first_timestamp=first,
        last_timestamp=last,
    )
