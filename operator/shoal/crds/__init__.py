"""The CustomResourceDefinitions of Shoal's kinds, made from `shoal.api` alone.

What a field is called, what it may be and what it is without being said, is said there, by types,
rules and docstrings. `structural` turns that into the schema that an API server takes; here are the
names and columns that `kubectl` shows. Nothing here asks a cluster; `python -m shoal.crds FOLDER`
writes the files.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

from shoal.api.base import GROUP, VERSION
from shoal.api.kinds import FLEETS, KINDS, MODELS, Kind
from shoal.crds.structural import schema_of

_READY = '.status.conditions[?(@.type=="Ready")]'


class Column(NamedTuple):
    """A column of `kubectl get`; those of a priority above 0 are shown with `-o wide` only."""

    name: str
    path: str
    description: str
    type: str = "string"
    priority: int = 0


_FIRST = (
    Column("Ready", f"{_READY}.status", "Whether all that was asked for is served."),
    Column("Reason", f"{_READY}.reason", "Why it is as it is."),
)
_AGE = Column("Age", ".metadata.creationTimestamp", "How long ago it was made.", "date")
_COLUMNS = {
    MODELS: (
        Column("Task", ".spec.task", "What the model means."),
        Column("Replicas", ".status.replicas.ready", "Replicas that answer.", "integer"),
        Column("GPU", ".status.placement.gpuMemory", "Memory of a GPU that each replica has."),
        Column("URL", ".status.url", "Where it answers.", priority=1),
        Column("Revision", ".status.revision", "What answers there.", priority=1),
    ),
    FLEETS: (
        Column("Models", ".status.models.ready", "Models that are Ready.", "integer"),
        Column("Workers", ".status.workers.ready", "Workers that run.", "integer"),
        Column("GPUs", ".status.gpus", "GPUs of the workers that run.", "integer"),
    ),
}
_SUBRESOURCES: dict[Kind, dict[str, Any]] = {
    MODELS: {
        "status": {},
        "scale": {
            "specReplicasPath": ".spec.replicas",
            "statusReplicasPath": ".status.replicas.ready",
        },
    },
    FLEETS: {"status": {}},
}


def definitions() -> tuple[dict[str, Any], ...]:
    """A CustomResourceDefinition (`apiextensions.k8s.io/v1`) for every kind."""
    return tuple(_definition(kind) for kind in KINDS)


def _definition(kind: Kind) -> dict[str, Any]:
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{kind.plural}.{GROUP}"},
        "spec": {
            "group": GROUP,
            "names": _names(kind),
            "scope": "Namespaced" if kind.namespaced else "Cluster",
            "versions": [_version(kind)],
        },
    }


def _names(kind: Kind) -> dict[str, Any]:
    name = kind.type.__name__
    return {
        "plural": kind.plural,
        "singular": kind.singular,
        "kind": name,
        "listKind": f"{name}List",
        "shortNames": [kind.short],
        "categories": ["shoal"],
    }


def _version(kind: Kind) -> dict[str, Any]:
    return {
        "name": VERSION,
        "served": True,
        "storage": True,
        "subresources": _SUBRESOURCES[kind],
        "additionalPrinterColumns": _printed([*_FIRST, *_COLUMNS[kind], _AGE]),
        "schema": {"openAPIV3Schema": schema_of(kind.type)},
    }


def _printed(columns: Sequence[Column]) -> list[dict[str, Any]]:
    return [
        {
            "name": column.name,
            "type": column.type,
            "description": column.description,
            "jsonPath": column.path,
            **({"priority": column.priority} if column.priority else {}),
        }
        for column in columns
    ]
