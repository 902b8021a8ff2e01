"""What was seen of the world before a decision."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from shoal.api import (
    Failure,
    Fleet,
    Ledger,
    Model,
    ModelConfig,
    Node,
    Pod,
    RayCluster,
    RayService,
    Reason,
    ReplicaState,
    Site,
)
from shoal.api.ledger import ModelReport, ReplicaReport
from shoal.api.rayservice import ApplicationStatus
from shoal.plan.told import told_model


def key_of(model: Model) -> str:
    """`namespace/name`, as the ledger and the address write it."""
    return f"{model.metadata.namespace}/{model.metadata.name}"


def application_of(model: Model) -> str:
    """The name of the Model's Serve application."""
    return f"{model.metadata.namespace}.{model.metadata.name}"


def is_wanted(model: Model) -> bool:
    """Whether the Model asks for any replica at all; one that is being deleted does not."""
    deleted = model.metadata.deletion_timestamp is not None
    return not (deleted or model.spec.suspend) and model.spec.most_replicas > 0


# Ray Serve's words for applications.
RUNNING, DEPLOY_FAILED = "RUNNING", "DEPLOY_FAILED"

_NO_REPORT, _NO_APPLICATION = ModelReport(), ApplicationStatus()

FoundSecret = Mapping[str, str] | Reason
"""The data of a Secret (base64), or why it is not known: SECRET_NOT_FOUND, SECRET_FORBIDDEN or
SECRET_UNAVAILABLE.
"""


@dataclass(frozen=True)
class ObservedFleet:
    """A Fleet, the Models that name it, its RayService, and what its replicas say.

    `ledger` is None while it cannot be read; `reachable` is what the last probe of the Fleet's own
    address saw. `namespaces` has the labels of the namespaces of its Models, and `secrets` what was
    found of the Secrets that its Models name, by namespace and name; nothing of those that may not
    be served anyway. `unreadable` are the applications of Models, of whichever Fleet, that this
    version cannot read. `credentials` is the Fleet's own copy (base64), where some of it is kept.
    """

    fleet: Fleet
    site: Site
    models: tuple[Model, ...] = ()
    ray_service: RayService | None = None
    ledger: Ledger | None = None
    reachable: bool = False
    nodes: Sequence[Node] = ()
    pods: Sequence[Pod] = ()
    ray_clusters: Sequence[RayCluster] = ()
    namespaces: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    unreadable: frozenset[str] = frozenset()
    secrets: Mapping[tuple[str, str], FoundSecret] = field(default_factory=dict)
    credentials: Mapping[str, str] = field(default_factory=dict)

    @property
    def address(self) -> str:
        """The base URL under which its models are reached, without a slash at its end."""
        return self.site.address


@dataclass(frozen=True)
class ObservedModel:
    """A Model and its Fleet, if that exists and can be read; or else its `fleet_problem`.

    `answers`: a request to the Model's URL got a 200.
    What follows from these is worked out once.
    """

    model: Model
    fleet: ObservedFleet | None = None
    answers: bool = False
    fleet_problem: str = ""

    @cached_property
    def report(self) -> ModelReport | None:
        """What the replicas say of it, or None while the ledger cannot be read."""
        if self.fleet is None or self.fleet.ledger is None:
            return None
        return self.fleet.ledger.models.get(key_of(self.model), _NO_REPORT)

    @cached_property
    def replicas(self) -> list[ReplicaReport]:
        """Its replicas, but not those that are leaving, nor an earlier namesake's."""
        entries = self.report.replicas.values() if self.report is not None else ()
        uids = ("", self.model.metadata.uid)
        staying = (entry for entry in entries if entry.state is not ReplicaState.DRAINING)
        return [entry for entry in staying if entry.uid in uids]

    @cached_property
    def current(self) -> list[ReplicaReport]:
        """The replicas that know of the newest generation."""
        generation = self.model.metadata.generation
        return [entry for entry in self.replicas if entry.generation == generation]

    @cached_property
    def answering(self) -> list[ReplicaReport]:
        """The replicas that serve, with whichever generation."""
        return [entry for entry in self.replicas if entry.revision is not None]

    @cached_property
    def known_failure(self) -> Failure | None:
        """The failure of the newest generation that the status tells of, if it tells of one."""
        status, generation = self.model.status, self.model.metadata.generation
        return status.last_failure if status.observed_generation == generation else None

    @cached_property
    def told(self) -> ModelConfig | None:
        """What the RayService holds of the Model, of whichever generation."""
        service = self.fleet.ray_service if self.fleet is not None else None
        if service is None:
            return None
        config = told_model(
            service.spec.serve_config, application_of(self.model), key_of(self.model)
        )
        same = config is not None and config.uid == self.model.metadata.uid
        return config if same else None

    @cached_property
    def is_told(self) -> bool:
        """Whether the RayService holds the Model as it is now."""
        told = self.told
        return told is not None and told.wanted.generation == self.model.metadata.generation

    @cached_property
    def application(self) -> ApplicationStatus:
        """What Ray Serve says of its application, once that speaks of the Model as it is now."""
        service = self.fleet.ray_service if self.fleet is not None else None
        if service is None or service.status.observed_generation != service.metadata.generation:
            return _NO_APPLICATION
        if not self.is_told:
            return _NO_APPLICATION
        applications = service.status.told.application_statuses
        return applications.get(application_of(self.model), _NO_APPLICATION)
