"""The kinds of Kubernetes that Shoal reads or writes, and their addresses in its API."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from shoal.api import API_VERSION
from shoal.errors import WorldUnavailable


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind in one API version.

    `comes_with` is what must be installed for it to be there; many do well without an `optional`
    one.
    """

    api_version: str
    name: str
    plural: str
    namespaced: bool = True
    comes_with: str = "Kubernetes"
    optional: bool = False

    @property
    def resource(self) -> str:
        """As RBAC and people call it: `rayservices.ray.io`."""
        group, slash, _ = self.api_version.partition("/")
        return f"{self.plural}.{group}" if slash else self.plural

    def path(self, namespace: str = "", name: str = "", subresource: str = "") -> str:
        """The address of all objects, of those of a namespace, or of one."""
        root = "/apis" if "/" in self.api_version else "/api"
        within = ("namespaces", namespace) if self.namespaced and namespace else ()
        parts = (root, self.api_version, *within, self.plural, name, subresource)
        return "/".join(part for part in parts if part)


MODEL = Kind(API_VERSION, "Model", "models", comes_with="Shoal's CRDs")
FLEET = Kind(API_VERSION, "Fleet", "fleets", namespaced=False, comes_with="Shoal's CRDs")
RAY_SERVICE = Kind("ray.io/v1", "RayService", "rayservices", comes_with="KubeRay")
RAY_CLUSTER = Kind("ray.io/v1", "RayCluster", "rayclusters", comes_with="KubeRay")
NODE = Kind("v1", "Node", "nodes", namespaced=False)
NAMESPACE = Kind("v1", "Namespace", "namespaces", namespaced=False)
POD = Kind("v1", "Pod", "pods")
SECRET = Kind("v1", "Secret", "secrets")
LEASE = Kind("coordination.k8s.io/v1", "Lease", "leases")
EVENT = Kind("v1", "Event", "events")
SERVICE = Kind("v1", "Service", "services")

# What a Fleet owns beside its RayService and is watched; Secrets never are.
OWNED = (
    SERVICE,
    Kind("v1", "PersistentVolumeClaim", "persistentvolumeclaims"),
    Kind("policy/v1", "PodDisruptionBudget", "poddisruptionbudgets"),
    Kind("networking.k8s.io/v1", "NetworkPolicy", "networkpolicies"),
    Kind("networking.k8s.io/v1", "Ingress", "ingresses"),
    Kind("gateway.networking.k8s.io/v1", "HTTPRoute", "httproutes", True, "the Gateway API", True),
)
_KEPT: Mapping[tuple[str, str], Kind] = {
    (kind.api_version, kind.name): kind for kind in (*OWNED, SECRET)
}


def kind_of(manifest: Mapping[str, Any]) -> Kind:
    """The kind of a manifest that a Fleet owns.

    Raises:
        WorldUnavailable: Shoal does not know how to keep objects of its kind.
    """
    said = str(manifest.get("apiVersion")), str(manifest.get("kind"))
    if said not in _KEPT:
        known = ", ".join(sorted(name for _, name in _KEPT))
        raise WorldUnavailable(f"{' '.join(said)} cannot be kept for a Fleet: expected {known}")
    return _KEPT[said]
