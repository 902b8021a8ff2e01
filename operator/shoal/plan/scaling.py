"""How many replicas a Model should have now: as many as its spec says, or as its requests make it.

A Model that may have none is idle while it has none, once it was proven: the next request starts
one, and waits for it.
"""

from shoal.api import Model
from shoal.plan.observed import DEPLOY_FAILED, ObservedModel
from shoal.plan.proof import is_proven


def fewest_replicas(model: Model) -> int:
    """What its spec says; but a Model that may have none has one until it was proven."""
    least = model.spec.least_replicas
    return least if is_proven(model) else max(1, least)


def desired_replicas(observed: ObservedModel) -> int:
    """How many should run: those that do, within its bounds, where requests decide."""
    model = observed.model
    if model.spec.scaling is None:
        return model.spec.least_replicas
    known = model.status.replicas.desired
    there = known if observed.report is None else len(observed.replicas)
    return max(fewest_replicas(model), min(there, model.spec.most_replicas))


def wanted_replicas(observed: ObservedModel) -> int:
    """How many must have loaded the newest generation: where requests decide, all but those that
    came since.
    """
    spec, newest = observed.model.spec, observed.model.metadata.generation
    serving = (entry.served_generation for entry in observed.answering)
    behind = any(served is not None and served < newest for served in serving)
    there = len(observed.replicas) if spec.scaling is not None and behind else 0
    return max(1, spec.least_replicas, there)


def may_be_idle(model: Model) -> bool:
    """Whether its next request finds or starts a replica that serves what is wanted."""
    return model.spec.least_replicas == 0 and is_proven(model)


def is_idle(observed: ObservedModel) -> bool:
    """Whether it has no replica because nobody asks for one."""
    there = bool(observed.replicas) or observed.application.status == DEPLOY_FAILED
    return may_be_idle(observed.model) and observed.is_told and not there
