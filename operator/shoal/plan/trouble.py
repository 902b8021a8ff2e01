"""What an error of telling Kubernetes means for a Fleet."""

from shoal.api import Reason
from shoal.errors import KindMissing, WorldUnavailable
from shoal.plan.refusal import Refusal

_RAY_SERVICE = "RayService"


def trouble_of(error: WorldUnavailable) -> Refusal:
    """`WorldUnavailable` itself is a world that does not answer; its kinds are its refusals."""
    words = f"{str(error).rstrip('.')}."
    if isinstance(error, KindMissing) and error.kind == _RAY_SERVICE:
        return Refusal(Reason.KUBERAY_MISSING, words)
    silent = type(error) is WorldUnavailable
    return Refusal(Reason.CLUSTER_UNREACHABLE if silent else Reason.CONFIGURATION_REFUSED, words)
