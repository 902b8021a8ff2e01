"""What a Fleet's status says."""

from datetime import datetime

from shoal.api import (
    Condition,
    ConditionType,
    Fleet,
    FleetStatus,
    PoolInventory,
    Reason,
    find_condition,
    is_true,
    merge_conditions,
)
from shoal.api.fleet import ModelCount, WorkerCount
from shoal.api.labels import HEAD_GROUP
from shoal.plan.conditions import condition
from shoal.plan.inventory import inventory
from shoal.plan.observed import ObservedFleet, is_wanted
from shoal.plan.provisioned import provisioned_condition
from shoal.plan.public_address import public_address
from shoal.plan.ray_states import is_settled, is_upgrading, serving, status_of_pods
from shoal.plan.refusal import Refusal
from shoal.plan.seats import size_of

# What does not pass by itself.
_STALLED = frozenset({Reason.CONFIGURATION_REFUSED, Reason.KUBERAY_MISSING, Reason.PODS_FORBIDDEN})


def fleet_status(
    observed: ObservedFleet, now: datetime, trouble: Refusal | None = None, *, told: bool = True
) -> FleetStatus:
    """The status of a Fleet, from its RayService, its pods and nodes, the probe of its address, and
    its Models. `trouble` is what Kubernetes refused, if it did; `told`: not the RayService.
    """
    fleet = observed.fleet
    provisioned = provisioned_condition(observed, trouble)
    ready = _ready(observed, provisioned)
    conditions = (
        condition(fleet, ConditionType.ACCEPTED, True, Reason.ACCEPTED),
        provisioned,
        ready,
        *_progress(observed, provisioned, ready),
    )
    served = sum(is_true(model.status.conditions, ConditionType.READY) for model in observed.models)
    return FleetStatus(
        observed_generation=fleet.metadata.generation,
        conditions=merge_conditions(fleet.status.conditions, conditions, now),
        url=public_address(observed),
        models=ModelCount(total=len(observed.models), ready=served, bytes=_bytes(observed)),
        workers=_workers(observed),
        gpus=_gpus(observed),
        inventory=_inventory(observed) if told else fleet.status.inventory,
    )


def unplanned_status(fleet: Fleet, problem: str, now: datetime) -> FleetStatus:
    """The status of a Fleet of which no plan can be made: what was known of it stays."""
    message = (
        f"The operator fails on this Fleet, and leaves what runs as it is: {problem}. Its log says "
        "where. Undo the last change of the Fleet, or take another version of the operator."
    )
    said = fleet.status.conditions
    before = find_condition(said, ConditionType.READY)
    refused = condition(fleet, ConditionType.READY, False, Reason.INVALID_SPEC, message)
    conditions = (
        condition(fleet, ConditionType.ACCEPTED, False, Reason.INVALID_SPEC, message),
        *(one for one in said if one.type is ConditionType.PROVISIONED),
        before if before is not None and before.status == "True" else refused,
        condition(fleet, ConditionType.STALLED, True, Reason.INVALID_SPEC, message),
    )
    update = {
        "observed_generation": fleet.metadata.generation,
        "conditions": merge_conditions(said, conditions, now),
    }
    return fleet.status.model_copy(update=update)


def _inventory(observed: ObservedFleet) -> tuple[PoolInventory, ...]:
    """It goes with what KubeRay was told: by it the next plan sees whether a pool asks for other
    GPUs than its Models were placed on.
    """
    return inventory(observed.fleet, observed.nodes) if observed.site.has_pods else ()


def _ready(observed: ObservedFleet, provisioned: Condition) -> Condition:
    fleet, kind = observed.fleet, ConditionType.READY
    if observed.reachable:
        upgrading = provisioned.reason is Reason.UPGRADING
        reason, message = (
            (Reason.UPGRADING, provisioned.message) if upgrading else (Reason.READY, "")
        )
        now = condition(fleet, kind, True, reason, message)
        return now.model_copy(update={"observed_generation": _served_generation(observed)})
    if provisioned.status != "True":
        return condition(fleet, kind, False, provisioned.reason, provisioned.message)
    message = f"{observed.address} does not answer."
    return condition(fleet, kind, False, Reason.CLUSTER_UNREACHABLE, message)


def _served_generation(observed: ObservedFleet) -> int:
    """Of the Fleet: the one before, until KubeRay has seen the newest and moved on to it."""
    service, newest = observed.ray_service, observed.fleet.metadata.generation
    before = find_condition(observed.fleet.status.conditions, ConditionType.READY)
    if before is None or before.status != "True":
        return newest
    arrived = is_settled(service) and not is_upgrading(service)
    return newest if arrived else before.observed_generation


def _progress(
    observed: ObservedFleet, provisioned: Condition, ready: Condition
) -> tuple[Condition, ...]:
    """kstatus: on its way, or stuck; nothing once all is as the newest generation asks."""
    newest = observed.fleet.metadata.generation
    if provisioned.status == ready.status == "True" and ready.observed_generation == newest:
        return ()
    cause = ready if provisioned.status == "True" else provisioned
    kind = ConditionType.STALLED if cause.reason in _STALLED else ConditionType.RECONCILING
    return (condition(observed.fleet, kind, True, cause.reason, cause.message),)


def _bytes(observed: ObservedFleet) -> int:
    return sum(size_of(model) for model in observed.models if is_wanted(model))


def _workers(observed: ObservedFleet) -> WorkerCount:
    if not observed.site.has_pods:
        service = observed.ray_service
        ready = service.status.num_serve_endpoints if service is not None else 0
        return WorkerCount(desired=len(observed.fleet.spec.pools), ready=ready)
    said = status_of_pods(observed, serving(observed).ray_cluster_name)
    return WorkerCount(desired=said.desired_worker_replicas, ready=said.ready_worker_replicas)


def _gpus(observed: ObservedFleet) -> int:
    """Those of the workers that serve."""
    name = serving(observed).ray_cluster_name
    workers = (pod for pod in observed.pods if pod.group != HEAD_GROUP and pod.ready)
    return sum(pod.gpus for pod in workers if name and pod.ray_cluster == name)
