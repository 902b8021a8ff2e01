"""Who may lead: the rules of Kubernetes' own leader election (client-go).

The holder writes its Lease again and again; whoever sees it unchanged for as long as it says that
it lasts may take it. Only the observer's clock counts, and only for how long nothing changed: what
another's clock said when it wrote a time is never compared with ours. Times in seconds are those of
the observer's steady clock.
"""

from dataclasses import dataclass
from datetime import datetime

from shoal.api import Lease, LeaseSpec

LEASE_S = 15
# The holder stops this long after it began the last write that succeeded: well before anybody may
# take over, however long the write took to be seen.
RENEW_DEADLINE_S = 10.0
RETRY_S = 2.0


@dataclass(frozen=True, slots=True)
class Observed:
    """A Lease, and when this process first saw its spec as it is."""

    lease: Lease
    at: float


def observed(before: Observed | None, lease: Lease, now: float) -> Observed:
    """What is seen now; a Lease whose spec is what it was has been seen since then."""
    same = before is not None and before.lease.spec == lease.spec
    return Observed(lease, before.at if before is not None and same else now)


def may_acquire(lease: Lease, observed_at: float, now: float) -> bool:
    """Whether nobody holds it any more: it was given back, or nobody renewed it in time."""
    return now >= expires_at(lease, observed_at)


def expires_at(lease: Lease, observed_at: float) -> float:
    """When it may be taken, if it does not change."""
    spec = lease.spec
    if not spec.holder_identity:
        return observed_at
    lasts = spec.lease_duration_seconds
    return observed_at + (LEASE_S if lasts is None else lasts)


def taken(lease: Lease, identity: str, time: datetime) -> Lease:
    """As its next holder writes it."""
    transitions = lease.spec.lease_transitions
    spec = LeaseSpec(
        holder_identity=identity,
        lease_duration_seconds=LEASE_S,
        acquire_time=time,
        renew_time=time,
        lease_transitions=0 if transitions is None else transitions + 1,
    )
    return lease.model_copy(update={"spec": spec})


def renewed(lease: Lease, time: datetime) -> Lease:
    """As its holder writes it from time to time. It is never the same twice."""
    update = {"renew_time": time, "lease_duration_seconds": LEASE_S}
    return lease.model_copy(update={"spec": lease.spec.model_copy(update=update)})


def released(lease: Lease, time: datetime) -> Lease:
    """As its holder leaves it, for the next to take it at once."""
    update = {"holder_identity": "", "renew_time": time, "lease_duration_seconds": 1}
    return lease.model_copy(update={"spec": lease.spec.model_copy(update=update)})
