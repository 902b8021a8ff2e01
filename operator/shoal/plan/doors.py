"""How many doors each pool has: small replicas of Shoal's own that keep workers taking requests.

Ray Serve has proxies only where replicas are. So each of the workers that a pool always has gets a
door; those beyond hold Models, or are about to go, and a door would keep them. Which of a pool's
workers have doors is Ray Serve's choice: one that is idle may stay beside one that is not.
"""

from collections import Counter
from collections.abc import Mapping

from shoal.api.labels import HEAD_GROUP
from shoal.plan.observed import ObservedFleet
from shoal.plan.ray_states import is_starting


def doors(observed: ObservedFleet) -> Mapping[str, int]:
    """Their number by pool, for pools that have any; none on a laptop, whose head has the proxy.

    KubeRay moves a Fleet to a new Ray cluster only once every application runs there, all doors of
    it. So while one is being started, workers that cannot be had get none; but some worker must
    answer before the Fleet moves. After that, a door that finds no place harms nobody, and the
    number stays what it is whatever becomes of pods.
    """
    if not observed.site.has_pods:
        return {}
    pools = sorted(observed.fleet.spec.pools, key=lambda pool: pool.name)
    least = {pool.name: pool.workers.min for pool in pools if pool.workers.min}
    if not is_starting(observed.ray_service):
        return least
    return _to_begin_with(observed, least)


def _to_begin_with(observed: ObservedFleet, least: Mapping[str, int]) -> Mapping[str, int]:
    assert observed.ray_service is not None
    cluster = observed.ray_service.status.told.ray_cluster_name
    pods = [one for one in observed.pods if one.ray_cluster == cluster and one.group != HEAD_GROUP]
    if not pods:
        return least  # None was made yet.
    sound = Counter(pod.group for pod in pods if pod.ready or not pod.problem)
    numbers = {pool: min(number, sound[pool]) for pool, number in least.items()}
    some = {pool: number for pool, number in numbers.items() if number}
    return some or {next(iter(least)): 1}
