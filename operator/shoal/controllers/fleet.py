"""Fleet → one RayService whose Serve configuration holds every Model placed on it."""

import json
import secrets
from dataclasses import replace
from datetime import datetime, timedelta

from shoal.api import Fleet, FleetStatus, Reason
from shoal.cluster import Cluster, Key
from shoal.controllers.gather import gather_fleet
from shoal.errors import ShoalError, WorldUnavailable
from shoal.plan.events import transitions
from shoal.plan.fleet_status import fleet_status, unplanned_status
from shoal.plan.observed import DEPLOY_FAILED, ObservedFleet
from shoal.plan.owned.manifests import owned_manifests
from shoal.plan.ray_cluster.service import ray_service
from shoal.plan.refusal import Refusal
from shoal.plan.resizing import resizings
from shoal.plan.serve_config import serve_config
from shoal.plan.trouble import trouble_of

RETRY = timedelta(seconds=5)


async def reconcile_fleet(cluster: Cluster, key: Key, now: datetime) -> timedelta | None:
    """Bring one Fleet to its declared state; return when to look again."""
    observed = await gather_fleet(cluster, key.name)
    if observed is None:
        await cluster.collect(key.name)
        return None
    try:
        return await _reconcile(cluster, observed, now)
    except ShoalError:
        raise
    except Exception as error:  # A mistake of ours, which others should not look for in the log.
        problem = str(error) or type(error).__name__
        await _write(cluster, observed.fleet, unplanned_status(observed.fleet, problem, now), now)
        raise


async def _reconcile(cluster: Cluster, observed: ObservedFleet, now: datetime) -> timedelta | None:
    try:
        applied, refused = await _apply(cluster, observed, now)
    except WorldUnavailable as error:
        await _report(cluster, observed, now, trouble_of(error), told=False)
        raise
    await _report(cluster, applied, now, trouble_of(refused) if refused else None)
    if refused is not None:
        raise refused
    return RETRY if _lacks_a_secret(applied) or _has_failed_applications(applied) else None


async def _apply(
    cluster: Cluster, observed: ObservedFleet, now: datetime
) -> tuple[ObservedFleet, WorldUnavailable | None]:
    """Tell KubeRay; what was observed, with the RayService as it is then, and what was refused of
    the objects beside it.

    No refusal of those keeps Models from being served. Only the first RayService waits for them:
    its pods want the token, and nobody but the Fleet and whom it allows may ever reach them.
    """
    config = json.dumps(serve_config(observed, now))
    refused = await _keep(cluster, observed)
    if refused is not None and observed.ray_service is None:
        raise refused
    service = await cluster.apply(ray_service(observed, config))
    for ray_cluster, groups in resizings(observed):
        await cluster.resize(ray_cluster, groups)
    return replace(observed, ray_service=service), refused


async def _keep(cluster: Cluster, observed: ObservedFleet) -> WorldUnavailable | None:
    if not observed.site.has_pods:
        return None
    try:
        await cluster.keep(observed.fleet, owned_manifests(observed, secrets.token_hex(32)))
    except WorldUnavailable as error:
        return error
    return None


def _lacks_a_secret(observed: ObservedFleet) -> bool:
    return Reason.SECRET_UNAVAILABLE in observed.secrets.values()


def _has_failed_applications(observed: ObservedFleet) -> bool:
    if observed.ray_service is None:
        return False
    applications = observed.ray_service.status.told.application_statuses
    return any(each.status == DEPLOY_FAILED for each in applications.values())


async def _report(
    cluster: Cluster,
    observed: ObservedFleet,
    now: datetime,
    trouble: Refusal | None = None,
    *,
    told: bool = True,
) -> None:
    status = fleet_status(observed, now, trouble, told=told)
    await _write(cluster, observed.fleet, status, now)


async def _write(cluster: Cluster, fleet: Fleet, status: FleetStatus, now: datetime) -> None:
    if status != fleet.status:
        await cluster.report(fleet.model_copy(update={"status": status}))
        for event in transitions(fleet, status.conditions, now):
            await cluster.record(event)
