"""A Kubernetes object, and what all those of a Fleet have in common."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from shoal.api import Fleet
from shoal.plan.owned.names import labels_of, owner_of


@dataclass(frozen=True, slots=True)
class Manifest:
    """One object of its own: `body` is what follows the metadata, such as `spec`."""

    api_version: str
    kind: str
    name: str
    body: Mapping[str, Any]
    annotations: Mapping[str, str] = field(default_factory=dict)


def manifest(fleet: Fleet, namespace: str, said: Manifest) -> dict[str, Any]:
    """The object in a namespace, owned by the Fleet."""
    metadata = {
        "name": said.name,
        "namespace": namespace,
        "labels": labels_of(fleet),
        "ownerReferences": [owner_of(fleet)],
        **({"annotations": dict(said.annotations)} if said.annotations else {}),
    }
    return {
        "apiVersion": said.api_version,
        "kind": said.kind,
        "metadata": metadata,
        **said.body,
    }
