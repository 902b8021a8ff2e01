"""Which Ray cluster a Fleet's address leads to.

KubeRay's active one; the first one as soon as it is there; and during an upgrade the new one, once
that serves all that the old one serves. KubeRay itself waits for every application, so that one
broken Model would keep a Fleet from ever being upgraded; and it moves on before the new workers are
known to take requests. So where the address leads now is remembered on the RayService, and it never
leaves workers that are ready for a Ray cluster that has none.
"""

from shoal.api import ConditionType, is_true
from shoal.api.labels import HEAD_GROUP, SERVING_CLUSTER
from shoal.api.runtime import LEDGER_APPLICATION
from shoal.plan.observed import ObservedFleet, application_of
from shoal.plan.told import told_applications


def serving_cluster(observed: ObservedFleet) -> str | None:
    """The name of the Ray cluster, or None while there is none."""
    if observed.ray_service is None:
        return None
    active = observed.ray_service.status.active_service_status.ray_cluster_name
    before = observed.ray_service.metadata.annotations.get(SERVING_CLUSTER)
    wanted = _wanted(observed, before)
    able = (one for one in (wanted, before, active) if one and _takes_requests(observed, one))
    return next(able, wanted)


def _wanted(observed: ObservedFleet, before: str | None) -> str | None:
    assert observed.ray_service is not None
    status = observed.ray_service.status
    active = status.active_service_status.ray_cluster_name
    pending = status.pending_service_status.ray_cluster_name
    if not active or not pending:
        return active or pending or before
    return pending if before == pending or _takes_over(observed) else active


def _takes_over(observed: ObservedFleet) -> bool:
    """Whether the pending Ray cluster runs the ledger and every Model that the Fleet serves now.

    Only the pending one is told of changes: a Model that is wanted no more may run in the active
    one for ever.
    """
    assert observed.ray_service is not None
    applications = observed.ray_service.status.pending_service_status.application_statuses
    running = {name for name, said in applications.items() if said.status == "RUNNING"}
    told = told_applications(observed.ray_service.spec.serve_config)
    return {LEDGER_APPLICATION, *(_served_now(observed) & told)} <= running


def _served_now(observed: ObservedFleet) -> set[str]:
    """Of the active Ray cluster KubeRay tells nothing during an upgrade. What it serves is in the
    ledger, and while that is silent, in the Models' own statuses.
    """
    if observed.ledger is None:
        ready = (m for m in observed.models if is_true(m.status.conditions, ConditionType.READY))
        return {application_of(model) for model in ready}
    return {
        key.replace("/", ".")
        for key, report in observed.ledger.models.items()
        if any(replica.revision is not None for replica in report.replicas.values())
    }


def _takes_requests(observed: ObservedFleet, cluster: str) -> bool:
    workers = (pod for pod in observed.pods if pod.group != HEAD_GROUP)
    return any(pod.ray_cluster == cluster and pod.ready for pod in workers)
