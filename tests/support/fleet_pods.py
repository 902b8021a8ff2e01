"""A Fleet on a cluster, as a controller sees it, for the tests of what becomes of it there."""

from typing import Any

from shoal.api import Model, ObjectMeta, Pod, RayService, RayServiceStatus, Site
from shoal.api.labels import HEAD_GROUP, SERVING_CLUSTER
from shoal.api.rayservice import ApplicationStatus, ServiceStatus
from shoal.plan.observed import ObservedFleet
from shoal.plan.owned.manifests import owned_manifests
from shoal.plan.ray_cluster.cluster import ray_cluster_config
from shoal.testing import a_fleet

SITE = Site(
    namespace="serving",
    host="0.0.0.0",
    port=8000,
    address="http://default.serving.svc:8000",
    image="registry.test/shoal-serving:1",
    operator_namespace="shoal-system",
)
CPU_POOL = {"name": "cpu", "workers": {"min": 1, "max": 3}}
GPU_POOL = {"name": "l4", "workers": {"min": 0, "max": 2}, "gpu": {"product": "NVIDIA-L4"}}


def on_a_cluster(
    name: str = "default",
    *,
    models: tuple[Model, ...] = (),
    service: RayService | None = None,
    pods: tuple[Pod, ...] = (),
    **spec: Any,
) -> ObservedFleet:
    """A Fleet with that of its spec."""
    spec = {"pools": [CPU_POOL], **spec}
    return ObservedFleet(a_fleet(name, **spec), SITE, models, service, pods=pods)


def config_of(**spec: Any) -> dict[str, Any]:
    """The `rayClusterConfig` of a Fleet with that spec."""
    return ray_cluster_config(on_a_cluster(**spec))


def head_of(**spec: Any) -> dict[str, Any]:
    """The spec of the head's pod."""
    pod: dict[str, Any] = config_of(**spec)["headGroupSpec"]["template"]["spec"]
    return pod


def worker_of(at: int = 0, **spec: Any) -> dict[str, Any]:
    """The spec of a pool's pods."""
    pod: dict[str, Any] = config_of(**spec)["workerGroupSpecs"][at]["template"]["spec"]
    return pod


def environment_of(pod: dict[str, Any]) -> dict[str, str]:
    """The environment of a pod's Ray container."""
    return {one["name"]: one.get("value", "") for one in pod["containers"][0]["env"]}


def owned_of(observed: ObservedFleet, kind: str) -> dict[str, dict[str, Any]]:
    """The owned objects of a kind, by name."""
    all_of_them = owned_manifests(observed, "fresh")
    return {one["metadata"]["name"]: one for one in all_of_them if one["kind"] == kind}


def a_pod(cluster: str, group: str = "cpu", ready: bool = True) -> Pod:
    """A pod of a Ray cluster."""
    return Pod(name=f"{cluster}-{group}", ray_cluster=cluster, group=group, ready=ready)


def a_head(cluster: str) -> Pod:
    """The head of a Ray cluster, ready."""
    return a_pod(cluster, HEAD_GROUP)


def a_service(
    active: str = "",
    pending: str = "",
    *,
    before: str | None = None,
    running: tuple[str, ...] = (),
    **spec: Any,
) -> RayService:
    """A RayService with its Ray clusters. `running` are the applications that run on the pending
    one, and `before` is where the address led.
    """
    applications = {name: ApplicationStatus(status="RUNNING") for name in running}
    status = RayServiceStatus(
        active_service_status=ServiceStatus(ray_cluster_name=active),
        pending_service_status=ServiceStatus(
            ray_cluster_name=pending, application_statuses=applications
        ),
    )
    annotations = {SERVING_CLUSTER: before} if before else {}
    metadata = ObjectMeta(name="default", namespace="serving", annotations=annotations)
    return RayService.model_validate({"metadata": metadata, "spec": spec, "status": status})
