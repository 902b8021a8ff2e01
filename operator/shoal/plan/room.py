"""Why a replica that waits for a place has none: its pool is full, or its workers are on their way.

Where Ray runs in pods, Ray's autoscaler starts workers as replicas ask for them, up to the pool's
most; such a worker may itself wait for a node.
"""

import re

from shoal.api import Pool, Reason, Rollout
from shoal.plan.fitting import Place
from shoal.plan.observed import ObservedFleet, ObservedModel
from shoal.plan.offers import offers
from shoal.plan.placement import place_of
from shoal.plan.ray_states import message_of

Cause = tuple[Reason, str]


def no_room(observed: ObservedModel, surge: bool) -> Cause:
    """`surge`: an older generation serves, in the room that the newest one would need."""
    pool = _pool(observed)
    coming = _coming(observed.fleet, pool) if observed.fleet is not None and pool else None
    if coming is not None:
        return coming
    said = message_of(observed.application)
    numbers = re.search(r"each replica: (.+), total resources available: (.+?)\. Use", said)
    room = f"a replica needs {numbers[1]}, free are {numbers[2]}" if numbers else "no room is left"
    reason = Reason.NO_ROOM_TO_SURGE if surge else Reason.NO_ROOM
    return reason, f"{room}. {_way_out(observed, surge)}"


def _way_out(observed: ObservedModel, surge: bool) -> str:
    surging = surge and observed.model.spec.rollout is Rollout.SURGE
    gap = ", or say spec.rollout: Recreate to accept a gap" if surging else ""
    return f"Lower spec.resources or spec.replicas, or suspend another Model{gap}."


def _pool(observed: ObservedModel) -> Pool | None:
    """The pool with pods that holds the Model."""
    if observed.fleet is None or not observed.fleet.site.has_pods:
        return None
    where = place_of(observed, offers(observed.fleet))
    pools = observed.fleet.fleet.spec.pools
    return next((one for one in pools if isinstance(where, Place) and one.name == where.pool), None)


def _coming(fleet: ObservedFleet, pool: Pool) -> Cause | None:
    """A worker that is not there yet, or that may still come."""
    cluster = fleet.ray_service.status.told.ray_cluster_name if fleet.ray_service else ""
    pods = [pod for pod in fleet.pods if (pod.ray_cluster, pod.group) == (cluster, pool.name)]
    stuck = next((pod for pod in pods if pod.problem and not pod.ready), None)
    if stuck is not None:
        return Reason.PODS_WAITING, f"a worker of pool {pool.name} cannot start: {stuck.problem}"
    ready = sum(pod.ready for pod in pods)
    if ready >= pool.workers.max:
        return None
    words = f"a worker of pool {pool.name} is being started; {ready} of at most {pool.workers.max}"
    return Reason.STARTING, f"{words} are there"
