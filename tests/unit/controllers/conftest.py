"""A world in memory, and an event loop whose time passes only when nothing is left to do."""

import asyncio
import selectors
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

import pytest

from shoal.api import Fleet, Model, RayService, RayServiceStatus, ReplicaReport, Site
from shoal.api.rayservice import ServiceStatus
from shoal.cluster import Manifest, Resource
from shoal.cluster.memory import SITE_NAMESPACE, MemoryCluster
from shoal.testing import POD_SITE, a_fleet, a_ledger, a_model, an_application

Run = Callable[[Coroutine[Any, Any, Any]], Any]


class _Impatient(selectors.DefaultSelector):
    """Where others wait, it moves the loop's clock on."""

    loop: "Hourglass"

    def select(self, timeout: float | None = None) -> list[Any]:
        ready = super().select(0 if timeout else timeout)
        if not ready and timeout:
            self.loop.now += timeout
        return ready


class Hourglass(asyncio.SelectorEventLoop):
    """An event loop with a clock of its own, in seconds."""

    def __init__(self) -> None:
        selector = _Impatient()
        selector.loop = self
        self.now = 0.0
        super().__init__(selector)

    def time(self) -> float:
        return self.now


@pytest.fixture
def passing() -> Run:
    """Run a coroutine on an Hourglass: sleeping takes no time. It may last a week."""

    async def bounded(work: Coroutine[Any, Any, Any]) -> Any:
        async with asyncio.timeout(7 * 24 * 3600):
            return await work

    def run(work: Coroutine[Any, Any, Any]) -> Any:
        with asyncio.Runner(loop_factory=Hourglass) as runner:
            return runner.run(bounded(work))

    return run


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
