"""Conditions are adjectives, reasons are causes, messages say what to do.

A condition is a `metav1.Condition`; those of one resource form a list-map keyed by `type`. Polarity
is positive, except for kstatus's `Reconciling` and `Stalled`, which exist only while they are true.
"""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Literal

from shoal.api.base import Wire
from shoal.api.rules import ListMap


class ConditionType(StrEnum):
    """The adjectives, in the order in which they come true."""

    ACCEPTED = "Accepted"
    PLACED = "Placed"
    PROVISIONED = "Provisioned"
    LOADED = "Loaded"
    READY = "Ready"
    RECONCILING = "Reconciling"
    STALLED = "Stalled"


class Reason(StrEnum):
    """Why a condition is as it is. `sentence` explains it to a person."""

    sentence: str

    def __new__(cls, value: str, sentence: str) -> "Reason":
        member = str.__new__(cls, value)
        member._value_ = value
        member.sentence = sentence
        return member

    @classmethod
    def named(cls, value: str) -> "Reason":
        """The member that is written `value`; a KeyError if there is none."""
        return {member.value: member for member in cls}[value]

    # Accepted
    ACCEPTED = "Accepted", "The spec makes sense together with everything else that exists."
    FLEET_NOT_FOUND = "FleetNotFound", "The Fleet that the Model names does not exist."
    FLEET_FULL = "FleetFull", "The Fleet holds as many Models as it can carry."
    NAMESPACE_NOT_ALLOWED = (
        "NamespaceNotAllowed",
        "The Fleet serves no Models of the Model's namespace.",
    )
    SECRET_NOT_FOUND = "SecretNotFound", "The Secret with the source's credentials is not there."
    SECRET_FORBIDDEN = "SecretForbidden", "The operator may not read Secrets of this namespace."
    SECRET_UNAVAILABLE = (
        "SecretUnavailable",
        "The Secret with the source's credentials cannot be used now.",
    )
    INVALID_SPEC = "InvalidSpec", "The spec breaks the contract of the operator's version."
    # Placed
    PLACED = "Placed", "A pool of the Fleet can hold the Model."
    NO_POOL_FITS = "NoPoolFits", "No pool of the Fleet can hold the Model."
    # Provisioned
    PROVISIONED = "Provisioned", "The Ray cluster is up."
    KUBERAY_MISSING = "KubeRayMissing", "KubeRay is not installed in the cluster."
    PODS_FORBIDDEN = "PodsForbidden", "The Fleet's namespace does not allow its pods."
    PODS_WAITING = "PodsWaiting", "Pods of the Fleet cannot be started yet."
    UPGRADING = "Upgrading", "A new Ray cluster is being started; the old one serves meanwhile."
    PROVISIONING = "Provisioning", "The Ray cluster is being started."
    CLUSTER_UNREACHABLE = "ClusterUnreachable", "The Ray cluster does not answer."
    CONFIGURATION_REFUSED = "ConfigurationRefused", "Ray Serve refused the Fleet's configuration."
    # Loaded, Ready
    READY = "Ready", "Everything that was asked for is served."
    LOADED = "Loaded", "Every wanted replica loaded the Model and answered a real inference."
    PENDING = "Pending", "The Fleet has not been told of the Model yet."
    STARTING = "Starting", "Replicas are being started."
    LOADING = "Loading", "Replicas are fetching, loading or warming the Model."
    NO_ROOM = "NoRoom", "The pool has no room for another replica now."
    NO_ROOM_TO_SURGE = "NoRoomToSurge", "There is no room for old and new replicas at once."
    ROUTING = "Routing", "The replicas are ready, but the URL does not answer yet."
    FLEET_NOT_READY = "FleetNotReady", "The Fleet's address does not answer."
    IDLE = "Idle", "Nobody asked for a while, so no replica runs; the next request starts one."
    SUSPENDED = "Suspended", "The Model is suspended, or asks for no replicas."
    ROLLING_OUT = "RollingOut", "A newer generation is on its way; the old one serves meanwhile."
    NOT_RUNNING = "NotRunning", "Shoal is not running, so nothing is known."
    # Load failures: the Model stays as it was, or is not served
    ARTIFACT_NOT_FOUND = "ArtifactNotFound", "The source is not there."
    ARTIFACT_UNAVAILABLE = "ArtifactUnavailable", "The source did not answer; it is tried again."
    ARTIFACT_REFUSED = "ArtifactRefused", "The source is unsafe or too large."
    DIGEST_MISMATCH = "DigestMismatch", "The bytes at the source are not the pinned ones."
    MODEL_UNSUPPORTED = "ModelUnsupported", "This kind of model cannot be served."
    PROVIDER_UNAVAILABLE = "ProviderUnavailable", "An execution provider asked for is not there."
    MODEL_LOAD_FAILED = "ModelLoadFailed", "The backend refused the model."
    MEMORY_EXCEEDED = "MemoryExceeded", "The model needs more than spec.resources.memory."
    PROOF_FAILED = "ProofFailed", "The model loaded but did not answer a real inference rightly."
    REPLICA_FAILED = "ReplicaFailed", "A replica's process could not be started, or died."


class Condition(Wire):
    """Something that is true or not (`metav1.Condition`)."""

    type: ConditionType
    """The adjective."""

    status: Literal["True", "False", "Unknown"]
    """Whether it is true."""

    reason: Reason
    """Why, in a word."""

    message: str = ""
    """Why, in sentences, and what to do about it."""

    observed_generation: int = 0
    """The generation of the spec that it speaks of."""

    last_transition_time: datetime | None = None
    """When the status last changed."""


Conditions = Annotated[tuple[Condition, ...], ListMap("type")]


class Failure(Wire):
    """What last went wrong, and what the owner can do about it."""

    reason: Reason
    """Why, in a word."""

    message: str
    """What happened."""

    action: str
    """What the owner can do."""

    retriable: bool = False
    """Whether it is tried again as it is."""

    time: datetime
    """When it happened."""


def find_condition(conditions: tuple[Condition, ...], kind: ConditionType) -> Condition | None:
    """The condition of a type, if there is one."""
    return next((condition for condition in conditions if condition.type is kind), None)


def is_true(conditions: tuple[Condition, ...], kind: ConditionType) -> bool:
    """Whether the condition of a type is there and True."""
    condition = find_condition(conditions, kind)
    return condition is not None and condition.status == "True"


def merge_conditions(
    old: tuple[Condition, ...], new: tuple[Condition, ...], now: datetime
) -> tuple[Condition, ...]:
    """The new conditions, each with the time at which its status last changed."""
    return tuple(_dated(find_condition(old, one.type), one, now) for one in new)


def _dated(old: Condition | None, new: Condition, now: datetime) -> Condition:
    same = old is not None and old.status == new.status
    return new.model_copy(
        update={"last_transition_time": old.last_transition_time if old and same else now}
    )
