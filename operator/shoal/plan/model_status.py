"""What a Model's status says. It never says Ready while the URL does not answer."""

from collections import Counter
from datetime import datetime

from shoal.api import (
    Condition,
    ConditionType,
    Failure,
    Model,
    ModelStatus,
    Reason,
    merge_conditions,
)
from shoal.api.model import ModelFacts, Placement, ReplicaCount
from shoal.plan.acceptance import refusal
from shoal.plan.conditions import condition
from shoal.plan.failures import failure_of
from shoal.plan.fitting import Place
from shoal.plan.loaded import loaded_condition
from shoal.plan.observed import DEPLOY_FAILED, ObservedModel, is_wanted, key_of
from shoal.plan.offers import offers
from shoal.plan.placement import fleet_is_full, place_of
from shoal.plan.proof import UNPROVEN
from shoal.plan.public_address import public_address
from shoal.plan.ready import ready_condition
from shoal.plan.refusal import Refusal
from shoal.plan.scaling import desired_replicas


def model_status(observed: ObservedModel, now: datetime) -> ModelStatus:
    """The status of a Model, from its Fleet, Ray Serve and the ledger."""
    refused = refusal(observed)
    if refused is not None:
        return _refused(observed.model, refused, now)
    if not is_wanted(observed.model):
        return _suspended(observed.model, now)
    assert observed.fleet is not None
    where = place_of(observed, offers(observed.fleet))
    if isinstance(where, Refusal):
        return _unplaced(observed.model, where, now)
    full = fleet_is_full(observed)
    if full is not None:
        return _refused(observed.model, full, now)
    return _served(observed, where, now)


def _refused(model: Model, why: Refusal, now: datetime) -> ModelStatus:
    accepted = condition(model, ConditionType.ACCEPTED, False, why.reason, why.message)
    return _stalled(model, (accepted,), why, now)


def _unplaced(model: Model, why: Refusal, now: datetime) -> ModelStatus:
    accepted = condition(model, ConditionType.ACCEPTED, True, Reason.ACCEPTED)
    placed = condition(model, ConditionType.PLACED, False, why.reason, why.message)
    return _stalled(model, (accepted, placed), why, now)


def _stalled(
    model: Model, conditions: tuple[Condition, ...], why: Refusal, now: datetime
) -> ModelStatus:
    """It is not served, and will not be without a change."""
    conditions = (
        *conditions,
        condition(model, ConditionType.READY, False, why.reason, why.message),
        condition(model, ConditionType.STALLED, True, why.reason, why.message),
    )
    return ModelStatus(
        observed_generation=model.metadata.generation,
        conditions=merge_conditions(model.status.conditions, conditions, now),
        replicas=ReplicaCount(desired=model.spec.least_replicas),
    )


def _suspended(model: Model, now: datetime) -> ModelStatus:
    conditions = (
        condition(model, ConditionType.ACCEPTED, True, Reason.ACCEPTED),
        condition(model, ConditionType.READY, False, Reason.SUSPENDED, _unwanted(model)),
    )
    return ModelStatus(
        observed_generation=model.metadata.generation,
        conditions=merge_conditions(model.status.conditions, conditions, now),
    )


def _unwanted(model: Model) -> str:
    if model.metadata.deletion_timestamp is not None:
        return "It is being deleted."
    return "spec.suspend is true." if model.spec.suspend else "spec.replicas is 0."


def _served(observed: ObservedModel, where: Place, now: datetime) -> ModelStatus:
    assert observed.fleet is not None
    model, fleet = observed.model, observed.fleet
    failure = failure_of(observed, now)
    loaded = loaded_condition(observed, failure)
    ready = ready_condition(observed, fleet, loaded)
    complete = loaded.status == ready.status == "True"
    conditions = (
        condition(model, ConditionType.ACCEPTED, True, Reason.ACCEPTED),
        condition(model, ConditionType.PLACED, True, Reason.PLACED, where.words),
        loaded,
        ready,
        *(() if complete else (_progress(model, loaded, ready, failure),)),
    )
    return ModelStatus(
        observed_generation=model.metadata.generation,
        conditions=merge_conditions(model.status.conditions, conditions, now),
        url=f"{public_address(fleet)}/{key_of(model)}",
        revision=_revision(observed, ready),
        replicas=ReplicaCount(desired=desired_replicas(observed), ready=_answering(observed)),
        model=_facts(observed),
        placement=_placement(model, where),
        last_failure=failure if not complete or _fails_elsewhere(observed) else None,
    )


def _fails_elsewhere(observed: ObservedModel) -> bool:
    """It serves, but not in the Ray cluster that the Fleet is moving to."""
    return observed.application.status == DEPLOY_FAILED


def _placement(model: Model, where: Place) -> Placement:
    gpu = model.spec.resources.gpu
    memory = gpu.memory if gpu is not None else None
    return Placement(pool=where.pool, gpu_share=where.share, gpu_memory=memory, gpus=where.gpus)


def _progress(
    model: Model, loaded: Condition, ready: Condition, failure: Failure | None
) -> Condition:
    """kstatus: either a newer generation is on its way, or it will not come without a change."""
    cause = ready if loaded.status == "True" else loaded
    stalled = failure is not None and not failure.retriable and cause.reason is failure.reason
    kind = ConditionType.STALLED if stalled else ConditionType.RECONCILING
    return condition(model, kind, True, cause.reason, cause.message)


def _answering(observed: ObservedModel) -> int:
    """How many replicas serve; as many as before while only the ledger is silent."""
    if observed.report is None and observed.fleet is not None and observed.fleet.reachable:
        return observed.model.status.replicas.ready
    return len(observed.answering)


def _revision(observed: ObservedModel, ready: Condition) -> str | None:
    """What most replicas serve; while an idle Model has none, what they did. An address that does
    not answer for a moment is no reason to forget it.
    """
    served = Counter(entry.revision for entry in observed.answering)
    if served:
        return served.most_common(1)[0][0]
    known = observed.report is None or ready.status == "True" or ready.reason in UNPROVEN
    return observed.model.status.revision if known else None


def _facts(observed: ObservedModel) -> ModelFacts | None:
    report, answering = observed.report, observed.answering
    if report is None or not answering:
        return observed.model.status.model
    size = max(entry.bytes.file for entry in answering)
    return ModelFacts(
        bytes=size,
        inputs=report.inputs,
        outputs=report.outputs,
        precision=report.precision,
        generation=report.generation,
    )
