"""KubeRay's RayService: what is written to it, and the part of its status that is read back.

Local mode keeps the same object and fills the same status, so the controllers see no difference.
"""

from typing import Any, Literal

from pydantic import Field

from shoal.api.base import Wire
from shoal.api.metadata import ObjectMeta
from shoal.api.raycluster import RayCondition


class DeploymentStatus(Wire):
    """One Serve deployment, in Ray Serve's words (`HEALTHY`, `DEPLOY_FAILED`, ...)."""

    status: str = ""
    message: str = ""


class ApplicationStatus(Wire):
    """One Serve application, in Ray Serve's words (`RUNNING`, `DEPLOY_FAILED`, ...)."""

    status: str = ""
    message: str = ""
    serve_deployment_statuses: dict[str, DeploymentStatus] = Field(default_factory=dict)


class ServiceStatus(Wire):
    """One Ray cluster of the RayService. No name means that there is none.

    What KubeRay copies here of the Ray cluster's own status may be old: RayCluster has it.
    """

    ray_cluster_name: str = ""
    application_statuses: dict[str, ApplicationStatus] = Field(default_factory=dict)


class RayServiceStatus(Wire):
    """`status` of a RayService. An empty `application_statuses` means that the head is silent.

    `refusal` is local mode's own: why Ray Serve would not take the configuration. A RayService that
    is new, or is being upgraded, has a pending Ray cluster; KubeRay makes it the active one once
    every application on it runs.
    """

    observed_generation: int = 0
    refusal: str = ""
    num_serve_endpoints: int = 0
    active_service_status: ServiceStatus = ServiceStatus()
    pending_service_status: ServiceStatus = ServiceStatus()
    conditions: tuple[RayCondition, ...] = ()

    @property
    def told(self) -> ServiceStatus:
        """The Ray cluster that KubeRay tells of changes: the pending one while there is one."""
        pending = self.pending_service_status
        return pending if pending.ray_cluster_name else self.active_service_status


class RayServiceSpec(Wire):
    """`spec` of a RayService; `serve_config` is JSON text, which is YAML too."""

    serve_config: str = Field(default="", alias="serveConfigV2")
    ray_cluster_config: dict[str, Any] = Field(default_factory=dict)
    exclude_head_pod_from_serve_svc: bool = False
    ray_cluster_deletion_delay_seconds: int | None = None


class RayService(Wire):
    """One Ray cluster and everything that Ray Serve runs on it."""

    api_version: Literal["ray.io/v1"] = "ray.io/v1"
    kind: Literal["RayService"] = "RayService"
    metadata: ObjectMeta
    spec: RayServiceSpec = RayServiceSpec()
    status: RayServiceStatus = RayServiceStatus()
