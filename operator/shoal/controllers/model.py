"""Model → the truth about it. What is served is the Fleet's business; this reports."""

from datetime import datetime, timedelta

from shoal.api import ConditionType, ModelStatus, Reason, find_condition
from shoal.cluster import Cluster, Key
from shoal.controllers.gather import gather_model
from shoal.plan.acceptance import SECRET_REASONS
from shoal.plan.events import transitions
from shoal.plan.model_status import model_status

SECRET_AGAIN = timedelta(seconds=4)
ROUTING_FIRST, ROUTING_MOST = timedelta(milliseconds=200), timedelta(seconds=5)


async def reconcile_model(cluster: Cluster, key: Key, now: datetime) -> timedelta | None:
    """Report one Model's state; return when to look again."""
    observed = await gather_model(cluster, key.namespace, key.name)
    if observed is None:
        return None
    status = model_status(observed, now)
    if status != observed.model.status:
        await cluster.report(observed.model.model_copy(update={"status": status}))
        for event in transitions(observed.model, status.conditions, now):
            await cluster.record(event)
    return _ask_again(status, now)


def _ask_again(status: ModelStatus, now: datetime) -> timedelta | None:
    """Nobody tells of a Secret that is there at last. And only the URL itself can tell when it
    answers: it is asked soon, then less and less often.
    """
    accepted = find_condition(status.conditions, ConditionType.ACCEPTED)
    if accepted is not None and accepted.reason in SECRET_REASONS:
        return SECRET_AGAIN
    ready = find_condition(status.conditions, ConditionType.READY)
    loaded = find_condition(status.conditions, ConditionType.LOADED)
    if ready is None or loaded is None or ready.reason is not Reason.ROUTING:
        return None
    waited = now - (loaded.last_transition_time or now)
    return min(max(waited / 10, ROUTING_FIRST), ROUTING_MOST)
