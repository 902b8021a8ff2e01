"""One Model, its Fleet and what happens to them, told step by step."""

import json
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import pytest

from shoal.api import (
    Condition,
    ConditionType,
    Event,
    Fleet,
    Model,
    ModelConfig,
    ModelStatus,
    RayService,
    ReplicaReport,
    Site,
    find_condition,
)
from shoal.api.rayservice import ApplicationStatus, ServiceStatus
from shoal.plan.events import transitions
from shoal.plan.model_status import model_status
from shoal.plan.observed import ObservedFleet, ObservedModel, application_of, key_of
from shoal.plan.serve_config import serve_config
from shoal.plan.told import told_model
from shoal.testing import (
    NOW,
    SITE,
    a_fleet,
    a_ledger,
    a_model,
    a_ray_service,
    a_replica,
    an_application,
    changed,
)


@dataclass
class World:
    """`replicas` is what the ledger says of the Model, and `known` what besides; None is a silent
    ledger. `surroundings` is more of what was observed of the Fleet. `active` and `pending` are the
    names of its Ray clusters; the Model's `application` is that of the one that is told, which has
    others `beside` it.
    """

    model: Model = field(default_factory=a_model)
    fleet: Fleet | None = field(default_factory=a_fleet)
    others: tuple[Model, ...] = ()
    replicas: list[ReplicaReport] | None = field(default_factory=list)
    known: dict[str, Any] = field(default_factory=dict)
    reachable: bool = True
    answers: bool = False
    service: RayService | None = None
    application: ApplicationStatus = field(default_factory=an_application)
    beside: dict[str, ApplicationStatus] = field(default_factory=dict)
    now: datetime = NOW
    events: list[Event] = field(default_factory=list)
    site: Site = SITE
    active: str = "default"
    pending: str = ""
    surroundings: dict[str, Any] = field(default_factory=dict)

    @property
    def observed_fleet(self) -> ObservedFleet | None:
        if self.fleet is None:
            return None
        said = self.replicas
        return ObservedFleet(
            fleet=self.fleet,
            models=(self.model, *self.others),
            ray_service=self._service_now(),
            ledger=None if said is None else a_ledger({key_of(self.model): said}, **self.known),
            reachable=self.reachable,
            site=self.site,
            **self.surroundings,
        )

    @property
    def observed(self) -> ObservedModel:
        return ObservedModel(self.model, self.observed_fleet, self.answers)

    def edit(self, **spec: Any) -> None:
        """The owner applies another spec."""
        self.model = changed(self.model, **spec)

    def tell(self) -> str:
        """Ray Serve is handed what the Fleet's controller decides; the configuration."""
        fleet = self.observed_fleet
        assert fleet is not None
        text = json.dumps(serve_config(fleet, self.now))
        self.service = a_ray_service(text)
        return text

    def config(self) -> ModelConfig:
        """Decide anew, and what the replicas are told then."""
        config = told_model(self.tell(), application_of(self.model), key_of(self.model))
        assert config is not None
        return config

    def look(self, seconds: float = 1) -> ModelStatus:
        """A while later: the status is decided and written, its transitions become events."""
        self.now += timedelta(seconds=seconds)
        status = model_status(self.observed, self.now)
        self.events += transitions(self.model, status.conditions, self.now)
        self.model = self.model.model_copy(update={"status": status})
        return status

    def condition(self, kind: ConditionType) -> Condition | None:
        return find_condition(self.model.status.conditions, kind)

    def says(self, kind: ConditionType = ConditionType.READY) -> tuple[str, str, int]:
        """A condition's status, reason and observed generation."""
        condition = self.condition(kind)
        assert condition is not None, f"no {kind}"
        return condition.status, condition.reason.value, condition.observed_generation

    def _service_now(self) -> RayService | None:
        if self.service is None:
            return None
        told = {application_of(self.model): self.application, **self.beside}
        clusters = {
            "active_service_status": ServiceStatus(
                ray_cluster_name=self.active, application_statuses={} if self.pending else told
            ),
            "pending_service_status": ServiceStatus(
                ray_cluster_name=self.pending, application_statuses=told if self.pending else {}
            ),
        }
        status = self.service.status.model_copy(update=clusters)
        return self.service.model_copy(update={"status": status})


@pytest.fixture
def world() -> World:
    """A Fleet that answers and a Model that was just created."""
    return World()


@pytest.fixture
def served(world: World) -> World:
    """The Model serves its first generation."""
    world.tell()
    world.replicas = [a_replica(world.model)]
    world.answers = True
    world.look()
    world.tell()
    return world
