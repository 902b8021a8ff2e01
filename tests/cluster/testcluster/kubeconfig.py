"""Kubeconfig files that stand alone: certificates and tokens are inside."""

import base64
import json
from pathlib import Path
from typing import Any

from testcluster.pki import Issued


def of_certificate(issued: Issued) -> dict[str, Any]:
    """A kubeconfig's user that shows a certificate."""
    return {
        "client-certificate-data": _encoded(issued.certificate),
        "client-key-data": _encoded(issued.key),
    }


def of_token(token: str) -> dict[str, Any]:
    """A kubeconfig's user that shows a token."""
    return {"token": token}


def write(
    path: Path, server: str, authority: Path, user: dict[str, Any], namespace: str = "default"
) -> Path:
    """Write the file, in JSON, which is YAML."""
    cluster = {"server": server, "certificate-authority-data": _encoded(authority)}
    context = {"cluster": "test", "user": "test", "namespace": namespace}
    document = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "test", "cluster": cluster}],
        "users": [{"name": "test", "user": user}],
        "contexts": [{"name": "test", "context": context}],
        "current-context": "test",
    }
    path.touch(0o600)
    path.write_text(json.dumps(document, indent=1))
    return path


def _encoded(path: Path) -> str:
    return base64.b64encode(path.read_bytes()).decode()
