"""An API server that keeps an audit log, and what that tells of who wrote what."""

import json
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from testcluster.control_plane import ControlPlane

POLICY = {
    "apiVersion": "audit.k8s.io/v1",
    "kind": "Policy",
    "omitStages": ["RequestReceived", "ResponseStarted"],
    "rules": [
        {"level": "Metadata", "verbs": ["create", "update", "patch", "delete"]},
        {"level": "None"},
    ],
}


class Audited(ControlPlane):
    """An API server that writes down every write."""

    @property
    def audit_log(self) -> Path:
        return self.state.root / "audit.log"

    def _api_server_flags(self) -> tuple[str, ...]:
        policy = self.state.root / "audit-policy.json"
        policy.write_text(json.dumps(POLICY))
        log = ("--audit-log-path", str(self.audit_log))
        return (*super()._api_server_flags(), "--audit-policy-file", str(policy), *log)


class Write(NamedTuple):
    """One write that the API server carried out."""

    at: datetime
    user: str
    resource: str
    name: str


def writes(audit_log: Path) -> list[Write]:
    """Every successful write in an audit log, in the order of their beginnings."""
    events = [json.loads(line) for line in audit_log.read_text().splitlines()]
    found = [
        Write(
            datetime.fromisoformat(event["requestReceivedTimestamp"]),
            event["user"]["username"],
            event["objectRef"]["resource"],
            event["objectRef"].get("name", ""),
        )
        for event in events
        if event["responseStatus"]["code"] < 300
    ]
    return sorted(found)
