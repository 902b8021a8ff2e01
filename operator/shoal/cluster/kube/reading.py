"""What is kept of an object of each kind: what the controllers look at, and nothing else.

`managedFields`, the copy that `kubectl apply` leaves in an annotation, and the resource version
stay out, so that equal objects are equal, and thousands of them are small.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from pydantic import ValidationError

from shoal.api import (
    Fleet,
    FleetStatus,
    Model,
    ModelStatus,
    Node,
    Pod,
    RayCluster,
    RayService,
    WorkerGroup,
    parse_resource,
)
from shoal.api.labels import FLEET_LABEL, RAY_CLUSTER_LABEL, RAY_GROUP_LABEL
from shoal.api.raycluster import RayClusterStatus
from shoal.cluster.kube.store import Raw
from shoal.errors import InvalidResource

_KUBECTLS_COPY = "kubectl.kubernetes.io/last-applied-configuration"
_METADATA = (
    "name",
    "namespace",
    "labels",
    "annotations",
    "generation",
    "uid",
    "creationTimestamp",
    "deletionTimestamp",
)
_CALM = frozenset({"ContainerCreating", "PodInitializing"})
_Status = TypeVar("_Status", ModelStatus, FleetStatus)


def read_model(raw: Raw) -> Model:
    """Raises InvalidResource."""
    model = parse_resource(_spoken(raw))
    assert isinstance(model, Model)
    return model.model_copy(update={"status": _status(ModelStatus, raw)})


def read_fleet(raw: Raw) -> Fleet:
    """Raises InvalidResource."""
    fleet = parse_resource(_spoken(raw))
    assert isinstance(fleet, Fleet)
    return fleet.model_copy(update={"status": _status(FleetStatus, raw)})


def read_ray_service(raw: Raw) -> RayService:
    """Raises InvalidResource."""
    metadata = {**_metadata(raw), "ownerReferences": raw["metadata"].get("ownerReferences", ())}
    said = {"metadata": metadata, "spec": raw.get("spec") or {}, "status": raw.get("status") or {}}
    try:
        return RayService.model_validate(said)
    except ValidationError as error:
        name = raw["metadata"]["name"]
        raise InvalidResource(f'RayService "{name}"', (str(error),)) from error


def read_node(raw: Raw) -> Node:
    meta, status = raw["metadata"], raw.get("status") or {}
    return Node(
        name=meta["name"],
        labels=meta.get("labels") or {},
        allocatable=status.get("allocatable") or {},
        unschedulable=bool((raw.get("spec") or {}).get("unschedulable")),
    )


def read_labels(raw: Raw) -> Mapping[str, str]:
    return raw["metadata"].get("labels") or {}


@dataclass(frozen=True, slots=True)
class FleetPod:
    """A pod and the Fleet that its label names."""

    fleet: str
    pod: Pod


def read_pod(raw: Raw) -> FleetPod:
    meta, status = raw["metadata"], raw.get("status") or {}
    labels = meta.get("labels") or {}
    pod = Pod(
        name=meta["name"],
        ray_cluster=labels.get(RAY_CLUSTER_LABEL, ""),
        group=labels.get(RAY_GROUP_LABEL, ""),
        ready=any(_is(one, "Ready", "True") for one in status.get("conditions") or ()),
        gpus=_gpus((raw.get("spec") or {}).get("containers") or ()),
        problem="" if meta.get("deletionTimestamp") else next(_problems(status), ""),
    )
    return FleetPod(labels.get(FLEET_LABEL, ""), pod)


@dataclass(frozen=True, slots=True)
class FleetRayCluster:
    """A Ray cluster and the Fleet that its label names: KubeRay copies those of the RayService."""

    fleet: str
    cluster: RayCluster


def read_ray_cluster(raw: Raw) -> FleetRayCluster:
    meta, groups = raw["metadata"], (raw.get("spec") or {}).get("workerGroupSpecs") or ()
    cluster = RayCluster(
        namespace=meta["namespace"],
        name=meta["name"],
        groups=tuple(_read_group(group) for group in groups),
        status=RayClusterStatus.model_validate(raw.get("status") or {}),
    )
    return FleetRayCluster((meta.get("labels") or {}).get(FLEET_LABEL, ""), cluster)


def _read_group(raw: Raw) -> WorkerGroup:
    return WorkerGroup(
        name=raw["groupName"],
        min=raw.get("minReplicas") or 0,
        max=raw.get("maxReplicas") or 0,
        replicas=raw.get("replicas") or 0,
    )


def read_owned(raw: Raw) -> Raw:
    """An object that a Fleet owns: as it is, without what others tell of it."""
    kept = {key: value for key, value in raw.items() if key not in ("status", "metadata")}
    meta = raw["metadata"]
    metadata = {key: value for key, value in meta.items() if key != "managedFields"}
    return {**kept, "metadata": metadata}


def _spoken(raw: Raw) -> dict[str, Any]:
    """The part of an object that people say, which is read as strictly as a manifest."""
    kept = {key: value for key, value in raw.items() if key not in ("status", "metadata")}
    return {**kept, "metadata": _metadata(raw)}


def _metadata(raw: Raw) -> dict[str, Any]:
    meta = raw["metadata"]
    kept = {key: meta[key] for key in _METADATA if key in meta}
    annotations = kept.get("annotations") or {}
    if _KUBECTLS_COPY in annotations:
        rest = {key: value for key, value in annotations.items() if key != _KUBECTLS_COPY}
        kept["annotations"] = rest
    return kept


def _status(kind: type[_Status], raw: Raw) -> _Status:
    """One that an operator of another version wrote in words of its own is written anew."""
    try:
        return kind.model_validate(raw.get("status") or {})
    except ValidationError:
        return kind()


def _is(condition: Raw, kind: str, status: str) -> bool:
    return bool(condition.get("type") == kind and condition.get("status") == status)


def _gpus(containers: Sequence[Raw]) -> int:
    """GPUs and MIG devices, which are only ever given whole."""
    limits = ((one.get("resources") or {}).get("limits") or {} for one in containers)
    return sum(
        int(count)
        for said in limits
        for resource, count in said.items()
        if resource == "nvidia.com/gpu" or resource.startswith("nvidia.com/mig-")
    )


def _problems(status: Raw) -> Iterator[str]:
    """Why a pod does not run, the nearest cause first."""
    for condition in status.get("conditions") or ():
        if _is(condition, "PodScheduled", "False"):
            yield _words(condition)
    for container in (
        *(status.get("initContainerStatuses") or ()),
        *(status.get("containerStatuses") or ()),
    ):
        waiting = (container.get("state") or {}).get("waiting") or {}
        if waiting and waiting.get("reason") not in _CALM:
            yield _words(waiting)
    if status.get("phase") == "Failed":
        yield _words({"reason": "Failed", **status})


def _words(said: Raw) -> str:
    parts = (said.get("reason") or "", said.get("message") or "")
    return ": ".join(part for part in parts if part)
