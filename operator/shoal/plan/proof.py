"""Whether the newest generation of a Model was seen to serve; its status is the memory of that."""

from shoal.api import Condition, ConditionType, Model, Reason, find_condition

UNPROVEN = frozenset({Reason.FLEET_NOT_READY, Reason.ROUTING})


def is_proven(model: Model) -> bool:
    """Whether every replica that was wanted once served the Model as it is now."""
    newest = model.metadata.generation
    loaded = find_condition(model.status.conditions, ConditionType.LOADED)
    if loaded is not None and loaded.status == "True" and loaded.observed_generation == newest:
        return True
    ready = find_condition(model.status.conditions, ConditionType.READY)
    return ready is not None and ready.observed_generation == newest and was_served(model, ready)


def was_served(model: Model, ready: Condition) -> bool:
    """Whether the Model was Ready, or only its address could not be asked."""
    unproven = ready.reason in UNPROVEN and model.status.revision is not None
    return ready.status == "True" or unproven
