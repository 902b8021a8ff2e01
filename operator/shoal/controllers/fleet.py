"""Fleet → one RayService whose Serve configuration holds every Model placed on it."""

import json
import secrets
from datetime import datetime, timedelta

from shoal.cluster import Cluster, Key
from shoal.controllers.gather import gather_fleet
from shoal.plan.events import transitions
from shoal.plan.fleet_status import fleet_status
from shoal.plan.observed import ObservedFleet
from shoal.plan.owned.manifests import owned_manifests
from shoal.plan.ray_cluster.service import ray_service
from shoal.plan.serve_config import serve_config

RETRY = timedelta(seconds=5)


async def reconcile_fleet(cluster: Cluster, key: Key, now: datetime) -> timedelta | None:
    """Bring one Fleet to its declared state; return when to look again."""
    observed = await gather_fleet(cluster, key.name)
    if observed is None:
        await cluster.collect(key.name)
        return None
    if observed.site.has_pods:
        await cluster.keep(observed.fleet, owned_manifests(observed, secrets.token_hex(32)))
    await cluster.apply(ray_service(observed, json.dumps(serve_config(observed, now))))
    await _report(cluster, observed, now)
    return RETRY if _has_failed_applications(observed) else None


def _has_failed_applications(observed: ObservedFleet) -> bool:
    if observed.ray_service is None:
        return False
    applications = observed.ray_service.status.told.application_statuses
    return any(each.status == "DEPLOY_FAILED" for each in applications.values())


async def _report(cluster: Cluster, observed: ObservedFleet, now: datetime) -> None:
    fleet, status = observed.fleet, fleet_status(observed, now)
    if status != fleet.status:
        await cluster.report(fleet.model_copy(update={"status": status}))
        for event in transitions(fleet, status.conditions, now):
            await cluster.record(event)
