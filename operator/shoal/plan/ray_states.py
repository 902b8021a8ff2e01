"""What KubeRay says of a Fleet's Ray clusters: one that serves, and one more while it is upgraded.

A RayService that is new has a pending Ray cluster only; one that is upgraded has both. Only the
pending one is told of Models then, and KubeRay moves on once all of them run there.
"""

from shoal.api import RayService
from shoal.api.raycluster import RayClusterStatus, RayCondition
from shoal.api.rayservice import ApplicationStatus, ServiceStatus
from shoal.plan.observed import ObservedFleet
from shoal.plan.serving_cluster import serving_cluster

# Ray Serve's words for applications that are on their way.
UNFINISHED = frozenset({"NOT_STARTED", "DEPLOYING"})


def is_settled(service: RayService | None) -> bool:
    """Whether its status speaks of what it was told last."""
    if service is None:
        return False
    return service.status.observed_generation == service.metadata.generation


def is_building(service: RayService | None) -> bool:
    """Whether Ray Serve still builds some application: it has no deployments yet. Told anything at
    all, Ray Serve would cancel that and begin anew.
    """
    if service is None:
        return False
    applications = service.status.told.application_statuses.values()
    unbuilt = (one for one in applications if not one.serve_deployment_statuses)
    return not is_settled(service) or any(one.status in UNFINISHED for one in unbuilt)


def is_starting(service: RayService | None) -> bool:
    """Whether a Ray cluster is being started: the first one, or the one of an upgrade."""
    return service is not None and bool(service.status.pending_service_status.ray_cluster_name)


def is_upgrading(service: RayService | None) -> bool:
    """Whether one Ray cluster serves while another is being started."""
    return (
        service is not None
        and is_starting(service)
        and bool(service.status.active_service_status.ray_cluster_name)
    )


def serving(observed: ObservedFleet) -> ServiceStatus:
    """The Ray cluster that the Fleet's address leads to."""
    if observed.ray_service is None:
        return ServiceStatus()
    status = observed.ray_service.status
    pending, name = status.pending_service_status, serving_cluster(observed)
    if name and pending.ray_cluster_name == name:
        return pending
    return status.active_service_status


def status_of_pods(observed: ObservedFleet, ray_cluster: str) -> RayClusterStatus:
    """What KubeRay says of the pods of one Ray cluster."""
    found = (one.status for one in observed.ray_clusters if one.name == ray_cluster)
    return next(found, RayClusterStatus())


def refusal_of(service: RayService | None) -> str:
    """Why what it was told last is not tried; empty if it is.

    KubeRay leaves the condition as it was once the next one is tried.
    """
    if service is None or service.status.refusal:
        return service.status.refusal if service is not None else ""
    ready = condition_of(service.status.conditions, "Ready")
    refused = ready is not None and ready.reason == "ValidationFailed"
    return ready.message if ready is not None and refused and not is_settled(service) else ""


def condition_of(conditions: tuple[RayCondition, ...], kind: str) -> RayCondition | None:
    """The condition of a type, if there is one."""
    return next((one for one in conditions if one.type == kind), None)


def message_of(application: ApplicationStatus) -> str:
    """What Ray Serve says of its deployment, in a sentence or a traceback."""
    statuses = application.serve_deployment_statuses.values()
    return next((status.message for status in statuses if status.message), "")


def waits_for_room(application: ApplicationStatus) -> bool:
    """Whether replicas wait for a place, of which Ray Serve tells in a sentence only."""
    return "to be scheduled" in message_of(application)
