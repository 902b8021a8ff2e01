"""What a Fleet's objects are called, and how they are known as the Fleet's."""

from typing import Any

from shoal.api import Fleet
from shoal.api.labels import FLEET_LABEL, RAY_NODE_TYPE_LABEL


def token_name(fleet: Fleet) -> str:
    """The Secret with Ray's token."""
    return f"{fleet.metadata.name}-token"


def credentials_name(fleet: Fleet) -> str:
    """The Secret with the credentials of the sources of the Fleet's Models."""
    return f"{fleet.metadata.name}-credentials"


def labels_of(fleet: Fleet) -> dict[str, str]:
    """On everything that a Fleet owns."""
    return {
        FLEET_LABEL: fleet.metadata.name,
        "app.kubernetes.io/name": "shoal-fleet",
        "app.kubernetes.io/instance": fleet.metadata.name,
        "app.kubernetes.io/managed-by": "shoal",
    }


def owner_of(fleet: Fleet) -> dict[str, Any]:
    """The owner reference: what has it goes with the Fleet, and never holds that up."""
    return {
        "apiVersion": fleet.api_version,
        "kind": fleet.kind,
        "name": fleet.metadata.name,
        "uid": fleet.metadata.uid,
        "controller": True,
        "blockOwnerDeletion": False,
    }


def pods_of(fleet: Fleet, node_type: str | None = None) -> dict[str, str]:
    """The labels of the Fleet's pods, of all or of those of a kind (`head`, `worker`)."""
    kind = {RAY_NODE_TYPE_LABEL: node_type} if node_type else {}
    return {FLEET_LABEL: fleet.metadata.name, **kind}
