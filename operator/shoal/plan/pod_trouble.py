"""Why pods of a Fleet cannot be had: they are forbidden, or they wait for something."""

from collections.abc import Sequence

from shoal.api import Pod, Reason
from shoal.api.raycluster import RayCondition
from shoal.plan.observed import ObservedFleet
from shoal.plan.ray_states import condition_of, status_of_pods
from shoal.plan.refusal import Refusal

# What to do, by how the problem begins.
_WAYS_OUT = (
    ("Unschedulable", "Add nodes that fit, or lower the pool's workers.min or resources."),
    ("ImagePullBackOff", "Check spec.ray.image and spec.ray.imagePullSecrets."),
    ("ErrImagePull", "Check spec.ray.image and spec.ray.imagePullSecrets."),
    ("InvalidImageName", "Check spec.ray.image."),
)


def pod_trouble(observed: ObservedFleet) -> Refusal | None:
    """Of the Ray cluster that is being started, or else of the one that serves."""
    if observed.ray_service is None:
        return None
    name = observed.ray_service.status.told.ray_cluster_name
    failure = condition_of(status_of_pods(observed, name).conditions, "ReplicaFailure")
    if failure is not None and failure.status == "True" and "Create" in failure.reason:
        return _not_created(observed, _said(failure))
    pods = [pod for pod in observed.pods if pod.ray_cluster == name]
    waiting = [pod for pod in pods if pod.problem and not pod.ready]
    return _waiting(observed, waiting, len(pods)) if waiting else None


def _said(failure: RayCondition) -> str:
    """In one line, and without the reason that KubeRay puts in a line before it."""
    lines = (line.strip() for line in failure.message.splitlines())
    return " ".join(line for line in lines if line and line != failure.reason)


def _not_created(observed: ObservedFleet, said: str) -> Refusal:
    if "forbidden" not in said.lower():
        return Refusal(Reason.PODS_WAITING, f"KubeRay cannot make pods: {said}")
    namespace = observed.site.namespace
    way_out = (
        f"Allow them in namespace {namespace!r} (Pod Security, quotas), or change what the Fleet "
        "asks for."
    )
    return Refusal(Reason.PODS_FORBIDDEN, f"{said.strip().rstrip('.')}. {way_out}")


def _waiting(observed: ObservedFleet, waiting: Sequence[Pod], total: int) -> Refusal:
    first = min(waiting, key=lambda pod: pod.name)
    verb = "does" if len(waiting) == 1 else "do"
    count = f"{len(waiting)} of {total} pods {verb} not run."
    problem = f"{first.name}: {first.problem.strip().rstrip('.')}."
    return Refusal(Reason.PODS_WAITING, f"{count} {problem} {_way_out(observed, first)}")


def _way_out(observed: ObservedFleet, pod: Pod) -> str:
    more = f"More is told by: kubectl -n {observed.site.namespace} describe pod {pod.name}"
    ways = (way for beginning, way in _WAYS_OUT if pod.problem.startswith(beginning))
    return next(ways, more)
