"""How many workers KubeRay is told to begin with.

After that the autoscaler decides, in the RayCluster. But KubeRay copies our numbers there whenever
it updates a Ray cluster (a pool was added) or builds a new one: workers that are needed would go,
or a new Ray cluster would begin too small. So when anything else is told anew, the numbers are
those of the workers that run; until then they stay what they were, and nothing is written.
"""

from collections import Counter
from collections.abc import Mapping
from typing import Any

from shoal.api.labels import HEAD_GROUP
from shoal.plan.observed import ObservedFleet
from shoal.plan.serving_cluster import serving_cluster

GROUPS = "workerGroupSpecs"


def with_replicas(observed: ObservedFleet, config: dict[str, Any]) -> dict[str, Any]:
    """The configuration with the number of workers of each group, within its bounds."""
    before = observed.ray_service.spec.ray_cluster_config if observed.ray_service else {}
    numbers = _told(before) if _is_told(config, before) else _running(observed)
    groups = [_group(group, numbers.get(group["groupName"], 0)) for group in config[GROUPS]]
    return {**config, GROUPS: groups}


def _group(group: dict[str, Any], number: int) -> dict[str, Any]:
    within = max(group["minReplicas"], min(number, group["maxReplicas"]))
    return {**group, "replicas": within}


def _told(before: Mapping[str, Any]) -> Mapping[str, int]:
    return {group["groupName"]: group.get("replicas", 0) for group in before.get(GROUPS, ())}


def _running(observed: ObservedFleet) -> Mapping[str, int]:
    cluster = serving_cluster(observed)
    workers = (pod for pod in observed.pods if pod.group != HEAD_GROUP)
    return Counter(pod.group for pod in workers if pod.ray_cluster == cluster)


def _is_told(config: Mapping[str, Any], before: Mapping[str, Any]) -> bool:
    """Whether all of it but numbers was told before. An API server has added its defaults since."""
    without = {**config, GROUPS: [_unnumbered(group) for group in config[GROUPS]]}
    return _is_within(without, before)


def _unnumbered(group: Mapping[str, Any]) -> dict[str, Any]:
    numbers = ("replicas", "minReplicas", "maxReplicas")
    return {field: value for field, value in group.items() if field not in numbers}


def _is_within(part: Any, whole: Any) -> bool:
    if isinstance(part, Mapping) and isinstance(whole, Mapping):
        return all(field in whole and _is_within(part[field], whole[field]) for field in part)
    if isinstance(part, list) and isinstance(whole, list):
        pairs = zip(part, whole, strict=False)
        return len(part) == len(whole) and all(_is_within(*pair) for pair in pairs)
    return bool(part == whole)
