"""The condition `Provisioned` of a Fleet: its Ray cluster is up as the Fleet asks, or why not.

The first cause that applies is told, as it is with Models.
"""

from collections.abc import Callable

from shoal.api import Condition, ConditionType, Reason
from shoal.plan.conditions import condition
from shoal.plan.observed import ObservedFleet
from shoal.plan.pod_trouble import pod_trouble
from shoal.plan.ray_states import condition_of, is_upgrading, refusal_of, serving, status_of_pods
from shoal.plan.refusal import Refusal
from shoal.plan.upgrade import upgrade_words


def provisioned_condition(observed: ObservedFleet, trouble: Refusal | None) -> Condition:
    """`trouble` is what became of telling KubeRay, if that went wrong."""
    fleet, kind = observed.fleet, ConditionType.PROVISIONED
    cause = trouble or next((said for cause in CAUSES if (said := cause(observed))), None)
    if cause is not None:
        return condition(fleet, kind, False, cause.reason, cause.message)
    beside = pod_trouble(observed)
    if beside is not None:
        return condition(fleet, kind, True, beside.reason, beside.message)
    return condition(fleet, kind, True, Reason.PROVISIONED)


def _refused(observed: ObservedFleet) -> Refusal | None:
    said = refusal_of(observed.ray_service)
    return Refusal(Reason.CONFIGURATION_REFUSED, said) if said else None


def _upgrading(observed: ObservedFleet) -> Refusal | None:
    if not is_upgrading(observed.ray_service):
        return None
    return Refusal(Reason.UPGRADING, upgrade_words(observed, pod_trouble(observed)))


def _down(observed: ObservedFleet) -> Refusal | None:
    if _is_up(observed):
        return None
    return pod_trouble(observed) or Refusal(Reason.PROVISIONING, "")


CAUSES: tuple[Callable[[ObservedFleet], Refusal | None], ...] = (_refused, _upgrading, _down)


def _is_up(observed: ObservedFleet) -> bool:
    """In pods: the head is ready, and so is some worker. Elsewhere: Ray Serve takes requests."""
    service = observed.ray_service
    if service is None or not observed.site.has_pods:
        return service is not None and service.status.num_serve_endpoints > 0
    said = status_of_pods(observed, serving(observed).ray_cluster_name)
    head = condition_of(said.conditions, "HeadPodReady")
    return said.ready_worker_replicas > 0 and (head is None or head.status == "True")
