"""A world in memory, and an event loop whose time passes only when nothing is left to do."""

from collections.abc import Sequence

import pytest
from hourglass import Run, run_in_no_time

from shoal.api import Fleet, Model, RayService, RayServiceStatus, ReplicaReport, Site
from shoal.api.rayservice import ServiceStatus
from shoal.cluster import Manifest, Resource
from shoal.cluster.memory import SITE_NAMESPACE, MemoryCluster
from shoal.testing import POD_SITE, a_fleet, a_ledger, a_model, an_application


@pytest.fixture
def passing() -> Run:
    """Run a coroutine on an Hourglass."""
    return run_in_no_time


class Scene(MemoryCluster):
    """The Fleet `default` and what happens on it."""

    async def begin(self, *models: Model) -> None:
        """A Fleet that answers, with Models that are new."""
        await self.apply(a_fleet())
        for model in models or (a_model(),):
            await self.apply(model)
        self.set_ledger("default", a_ledger({}))
        self.set_reachable("default")

    async def model(self, name: str = "alarm-triage") -> Model:
        model = await self.get(Model, "ops", name)
        assert model is not None
        return model

    async def fleet(self) -> Fleet:
        fleet = await self.get(Fleet, "", "default")
        assert fleet is not None
        return fleet

    async def service(self) -> RayService:
        service = await self.get(RayService, SITE_NAMESPACE, "default")
        assert service is not None
        return service

    async def serve(
        self, *replicas: ReplicaReport, status: str = "RUNNING", said: str = ""
    ) -> None:
        """Ray Serve takes what it was told; the replicas of the Model say how they are."""
        service = await self.service()
        applications = {"ops.alarm-triage": an_application(status, said)}
        running = RayServiceStatus(
            observed_generation=service.metadata.generation,
            num_serve_endpoints=1,
            active_service_status=ServiceStatus(application_statuses=applications),
        )
        await self.report(service.model_copy(update={"status": running}))
        self.set_ledger("default", a_ledger({"ops/alarm-triage": replicas}))


@pytest.fixture
def scene() -> Scene:
    return Scene()


class InPods(Scene):
    """A cluster with pods, which may refuse a verb: `refuses`."""

    def __init__(self) -> None:
        super().__init__()
        self.refuses: dict[str, Exception] = {}

    def site(self, fleet: Fleet) -> Site:
        return POD_SITE

    async def apply(self, resource: Resource) -> Resource:
        if isinstance(resource, RayService) and "apply" in self.refuses:
            raise self.refuses["apply"]
        return await super().apply(resource)

    async def keep(self, fleet: Fleet, manifests: Sequence[Manifest]) -> None:
        if "keep" in self.refuses:
            raise self.refuses["keep"]
        await super().keep(fleet, manifests)


@pytest.fixture
def in_pods() -> InPods:
    return InPods()
