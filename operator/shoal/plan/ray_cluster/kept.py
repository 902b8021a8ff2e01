"""What of our pod templates a person's own cannot change.

- Labels and annotations of KubeRay and Shoal: Services, policies and KubeRay itself select by them.
- The pods' names and namespace: KubeRay gives every pod its own.
- The command of the Ray container, which KubeRay writes, and the pods' restart policy: with its
  autoscaler KubeRay replaces pods and takes no other.
- The limits of processors, memory and GPUs: they are the pool's, and Ray is told the same.
- The head's service account: KubeRay gives its own the autoscaler's rights.
"""

from collections.abc import Mapping
from typing import Any

from shoal.api.node import GPU_RESOURCE

_PREFIXES = ("ray.io/", "shoal.dev/")
_LABELS = frozenset({"app.kubernetes.io/name", "app.kubernetes.io/created-by"})
_LIMITS = ("cpu", "memory", GPU_RESOURCE, "nvidia.com/mig-")

Map = Mapping[str, Any]


def kept_ours(ours: Map, merged: dict[str, Any]) -> dict[str, Any]:
    """The merged template with that of ours which must stay."""
    return {**merged, "metadata": _metadata(ours, merged), "spec": _spec(ours, merged)}


def head_kept_ours(ours: Map, merged: dict[str, Any]) -> dict[str, Any]:
    """The same for the head."""
    template = kept_ours(ours, merged)
    spec = _without(template["spec"], "serviceAccountName", "serviceAccount")
    return {**template, "spec": spec}


def _metadata(ours: Map, merged: Map) -> Any:
    metadata, labels = merged["metadata"], ours["metadata"]["labels"]
    if not isinstance(metadata, Mapping):
        return metadata
    others = _without(metadata, "labels", "name", "generateName", "namespace")
    kept = {field: _strangers(value) for field, value in others.items()}
    return {**kept, "labels": _laid_over(_strangers(metadata["labels"]), labels)}


def _strangers(said: Any) -> Any:
    """Labels or annotations that are nobody's business but the person's."""
    if not isinstance(said, Mapping):
        return said
    return {k: v for k, v in said.items() if not k.startswith(_PREFIXES) and k not in _LABELS}


def _spec(ours: Map, merged: Map) -> Any:
    spec = _without(merged["spec"], "restartPolicy")
    if not isinstance(spec, Mapping) or not isinstance(spec["containers"], list):
        return spec
    ray, *sidecars = spec["containers"]
    kept = _container(ours["spec"]["containers"][0], ray)
    return {**spec, "containers": [kept, *sidecars]}


def _container(ours: Map, merged: Map) -> Any:
    container = _without(merged, "command", "args")
    resources = merged["resources"]
    if not isinstance(resources, Mapping) or not isinstance(resources["limits"], Mapping):
        return container
    others = {k: v for k, v in resources["limits"].items() if not k.startswith(_LIMITS)}
    limits = _laid_over(others, ours["resources"]["limits"])
    return {**container, "resources": {**resources, "limits": limits}}


def _laid_over(said: Any, ours: Map) -> Any:
    return {**ours, **said, **ours} if isinstance(said, Mapping) else said


def _without(said: Any, *fields: str) -> Any:
    if not isinstance(said, Mapping):
        return said
    return {field: value for field, value in said.items() if field not in fields}
