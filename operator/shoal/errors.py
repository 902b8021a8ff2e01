"""Everything that Shoal raises on purpose, by what happened.

    ShoalError
    ├── InvalidResource          a manifest that breaks the contract
    ├── ResourceNotFound         no such Model or Fleet
    ├── AlreadyRunning           another `shoal up` holds this home
    ├── PlatformUnsupported      this machine cannot do what was asked
    ├── WorldUnavailable         Ray (or Kubernetes) did not answer, or refused
    │   ├── AccessDenied         Kubernetes lets us not do it; RBAC must be given
    │   └── KindMissing          Kubernetes does not know a kind; what brings it must be installed
    ├── LeadershipLost           another process leads now, or may; this one ends
    ├── LoadError                a Model cannot be served; `reason` is the status reason
    │   ├── ArtifactNotFound     the source is not there
    │   ├── ArtifactUnavailable  the source did not answer; trying again may help
    │   ├── ArtifactRefused      unsafe or too large: never unpacked, never loaded
    │   ├── DigestMismatch       the bytes are not the ones that were pinned
    │   ├── ModelUnsupported     the files are sound, but this kind of model cannot be served
    │   ├── ProviderUnavailable  an execution provider was asked for that is not here
    │   ├── ModelLoadFailed      the backend refused the model
    │   ├── MemoryExceeded       it needs more than `resources.memory`
    │   └── ProofFailed          it loaded, but did not answer a real inference as it should
    └── RequestError             a request cannot be answered; the caller learns why
        ├── InvalidRequest       malformed, wrong name, shape, datatype or value
        ├── ModelNotFound        no such model, revision or address
        ├── MethodNotAllowed     the address exists, for another HTTP method
        ├── AdministrationRefused  Triton's administration: a Model's resource is the way
        ├── RequestTooLarge      the body is over the limit
        ├── Overloaded           the queue is full, or the replica is stopping
        ├── DeadlineExceeded     it waited longer than its deadline and was not run
        ├── ClientGone           nobody waits for the answer any more
        └── InferenceFailed      the model failed on a sound request
            └── MemoryUsedUp     its run needed more memory than there was for it

HTTP status codes and exit codes are given at the edge only (`shoal_serving.http`, `shoal.cli`).
"""

from typing import ClassVar


class ShoalError(Exception):
    """The base of the tree. `str(error)` is a sentence fit to show a person."""


class InvalidResource(ShoalError):
    """A manifest breaks the contract: where, what was found there, and what was expected."""

    def __init__(self, resource: str, problems: tuple[str, ...]) -> None:
        self.resource = resource
        self.problems = problems
        super().__init__(f"{resource} is invalid: " + "; ".join(problems))


class ResourceNotFound(ShoalError):
    """No such resource; worded as kubectl words it."""

    def __init__(self, plural: str, name: str) -> None:
        self.plural = plural
        self.name = name
        super().__init__(f'{plural}.shoal.dev "{name}" not found')


class AlreadyRunning(ShoalError):
    """Another `shoal up` holds the home folder."""

    def __init__(self, home: str, pid: int | None) -> None:
        self.home = home
        self.pid = pid
        who = f" (pid {pid})" if pid else ""
        super().__init__(f"shoal is already running on {home}{who}; `shoal down` stops it")


class PlatformUnsupported(ShoalError):
    """This machine cannot do what was asked; the message says what can."""


class WorldUnavailable(ShoalError):
    """Ray or Kubernetes did not answer, or refused what was sent to it."""


class AccessDenied(WorldUnavailable):
    """Kubernetes refuses what was asked with 403: the rights of who asks do not reach so far."""


class KindMissing(WorldUnavailable):
    """Kubernetes does not know a kind of resource: its CRD is not installed, or not this version.

    `kind` is the name that manifests say.
    """

    def __init__(self, kind: str, message: str) -> None:
        self.kind = kind
        super().__init__(message)


class LeadershipLost(ShoalError):
    """This process does not hold the operator's Lease, or cannot be sure of it any more."""


class LoadError(ShoalError):
    """A Model cannot be served: what happened, and what its owner can do about it.

    `reason` is a member of `shoal.api.Reason`; `retriable` says whether the same Model may load
    later without a change.
    """

    reason: ClassVar[str] = "ModelLoadFailed"
    retriable: ClassVar[bool] = False

    def __init__(self, message: str, action: str) -> None:
        self.message = message
        self.action = action
        super().__init__(f"{message} {action}")


class ArtifactNotFound(LoadError):
    reason = "ArtifactNotFound"


class ArtifactUnavailable(LoadError):
    reason = "ArtifactUnavailable"
    retriable = True


class ArtifactRefused(LoadError):
    reason = "ArtifactRefused"


class DigestMismatch(LoadError):
    reason = "DigestMismatch"


class ModelUnsupported(LoadError):
    reason = "ModelUnsupported"


class ProviderUnavailable(LoadError):
    reason = "ProviderUnavailable"


class ModelLoadFailed(LoadError):
    reason = "ModelLoadFailed"


class MemoryExceeded(LoadError):
    reason = "MemoryExceeded"


class ProofFailed(LoadError):
    reason = "ProofFailed"


class RequestError(ShoalError):
    """A request cannot be answered. `param` names the tensor or field at fault, if there is one;
    `code` is what programs may know the mistake by, in OpenAI's words.
    """

    def __init__(self, message: str, param: str | None = None, code: str | None = None) -> None:
        self.param = param
        self.code = code
        super().__init__(message)


class InvalidRequest(RequestError):
    """Malformed, or a wrong name, shape, datatype or value."""


class ModelNotFound(RequestError):
    """No such model, revision or address on this replica."""


class MethodNotAllowed(RequestError):
    """The address exists, for other HTTP methods: `allowed`."""

    def __init__(self, message: str, allowed: tuple[str, ...] = ()) -> None:
        self.allowed = allowed
        super().__init__(message)


class AdministrationRefused(RequestError):
    """Triton's administration over the wire; the Model's resource is the way."""


class RequestTooLarge(RequestError):
    """The body, as sent or once unpacked, is over the limit."""


class Overloaded(RequestError):
    """The queue is full or the replica is stopping; try again after `retry_after` seconds."""

    def __init__(self, message: str, retry_after: int = 1) -> None:
        self.retry_after = retry_after
        super().__init__(message)


class DeadlineExceeded(RequestError):
    """The request waited longer than its deadline and was not run."""


class ClientGone(RequestError):
    """Nobody waits for the answer any more, so it is not computed."""


class InferenceFailed(RequestError):
    """The model failed on a request that looked sound."""


class MemoryUsedUp(InferenceFailed):
    """A run needed more memory than the model, or the device, has for it; smaller ones may do."""
