"""An API server that keeps an audit log, and what that tells of who did what."""

import http
import json
import re
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

from testcluster.control_plane import ControlPlane

WRITES = {"verbs": ["create", "update", "patch", "delete"]}
# Such as: RBAC: allowed by ClusterRoleBinding "b" of ClusterRole "r" to ServiceAccount "s/ns".
ALLOWED = re.compile(r' of (\w+) "([^"]+)" to ')


class Audited(ControlPlane):
    """An API server that writes down every write, or the calls that a rule of its policy names."""

    def __init__(self, rule: dict[str, Any] = WRITES, **options: Any) -> None:
        self._rule = rule
        super().__init__(**options)

    @property
    def audit_log(self) -> Path:
        return self.state.root / "audit.log"

    def _api_server_flags(self) -> tuple[str, ...]:
        policy = self.state.root / "audit-policy.json"
        policy.write_text(json.dumps(self._policy))
        log = ("--audit-log-path", str(self.audit_log))
        return (*super()._api_server_flags(), "--audit-policy-file", str(policy), *log)

    @property
    def _policy(self) -> dict[str, Any]:
        return {
            "apiVersion": "audit.k8s.io/v1",
            "kind": "Policy",
            "omitStages": ["RequestReceived"],
            "rules": [{"level": "Metadata", **self._rule}, {"level": "None"}],
        }


class Write(NamedTuple):
    """One write that the API server carried out."""

    at: datetime
    user: str
    resource: str
    name: str


class Right(NamedTuple):
    """A verb that a role allows, such as `patch` of `models.shoal.dev/status`."""

    role: str
    resource: str
    verb: str


def writes(audit_log: Path) -> list[Write]:
    """Every successful write in an audit log, in the order of their beginnings."""
    found = [
        Write(
            datetime.fromisoformat(event["requestReceivedTimestamp"]),
            event["user"]["username"],
            event["objectRef"]["resource"],
            event["objectRef"].get("name", ""),
        )
        for event in _events(audit_log)
        if event["stage"] == "ResponseComplete" and event["responseStatus"]["code"] < 300
    ]
    return sorted(found)


def used(audit_log: Path) -> set[Right]:
    """The rights that calls in an audit log had their permission from. An apply that made something
    used two.
    """
    found = set()
    for event in _events(audit_log):
        allowed = ALLOWED.search(event["annotations"].get("authorization.k8s.io/reason", ""))
        if allowed is None:
            continue
        right = Right("/".join(allowed.groups()), _resource(event["objectRef"]), event["verb"])
        found.add(right)
        if (event["verb"], event["responseStatus"]["code"]) == ("patch", http.HTTPStatus.CREATED):
            found.add(right._replace(verb="create"))
    return found


def forbidden(audit_log: Path) -> set[tuple[str, str]]:
    """Verb and resource of every call in an audit log that was not allowed."""
    return {
        (event["verb"], _resource(event["objectRef"]))
        for event in _events(audit_log)
        if event["responseStatus"]["code"] == http.HTTPStatus.FORBIDDEN
    }


def _events(audit_log: Path) -> list[dict[str, Any]]:
    """But for a line that is still being written."""
    whole, _, _ = audit_log.read_text().rpartition("\n")
    return [json.loads(line) for line in whole.splitlines()]


def _resource(about: dict[str, str]) -> str:
    name = ".".join(filter(None, (about["resource"], about.get("apiGroup"))))
    return "/".join(filter(None, (name, about.get("subresource"))))
