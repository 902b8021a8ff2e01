"""Kubernetes as a `Cluster`: stores that watches keep true, and few, careful writes."""

import asyncio
import socket
from collections.abc import AsyncIterator, Coroutine, Mapping, Sequence
from typing import Any

from shoal.api import (
    Event,
    Fleet,
    Ledger,
    Model,
    Node,
    Pod,
    RayCluster,
    RayService,
    Site,
    WorkerGroup,
)
from shoal.api.labels import RAY_CLUSTER_LABEL
from shoal.api.runtime import SERVE_PORT
from shoal.api.source_secrets import secret_names
from shoal.cluster import Key, Manifest, Resource
from shoal.cluster.asking import Caller
from shoal.cluster.kube.api import Api
from shoal.cluster.kube.applying import Applier
from shoal.cluster.kube.credentials import Secrets
from shoal.cluster.kube.events import Recorder
from shoal.cluster.kube.fleets import Fleets, Line
from shoal.cluster.kube.informer import Pace
from shoal.cluster.kube.keys import Keys
from shoal.cluster.kube.kinds import (
    FLEET,
    MODEL,
    NAMESPACE,
    NODE,
    POD,
    RAY_CLUSTER,
    RAY_SERVICE,
    SECRET,
    SERVICE,
)
from shoal.cluster.kube.known import KINDS, Known
from shoal.cluster.kube.objecting import Objector
from shoal.cluster.kube.owned import Owned
from shoal.cluster.kube.reporting import Reporter
from shoal.cluster.kube.resizing import write_sizes
from shoal.cluster.kube.store import Name, Raw
from shoal.errors import KindMissing

EVERYWHERE = "0.0.0.0"  # noqa: S104  of its pod; a NetworkPolicy says who comes near


class KubeCluster:
    """Implements `shoal.cluster.Cluster`. `watch` runs everything; before it nothing is known.

    `namespace` is the operator's own, `serving_image` that of Fleets which name none.
    """

    def __init__(
        self, api: Api, *, namespace: str, serving_image: str, pace: Pace | None = None
    ) -> None:
        self._api = api
        self._namespace = namespace
        self._image = serving_image
        self._keys = Keys()
        self._tasks: set[asyncio.Task[None]] = set()
        self._known = Known(api, pace or Pace(), self._changed)
        self._applier = Applier(api)
        self._keeper = Owned(api, self._applier, self._known.owned)
        self._reporter = Reporter(api)
        self._recorder = Recorder(api, socket.gethostname())
        self._objector = Objector(api, self._known, self._recorder)
        self._secrets = Secrets(api, self._secret_changed)
        self._caller = Caller(trust_env=True)
        self._fleets = Fleets(
            self._caller, self._own_secret, self._start, self._fleet_said, self._model_said
        )

    async def get(self, kind: type[Resource], namespace: str, name: str) -> Resource | None:
        """There are no RayServices where KubeRay is not installed; to apply one tells.

        Raises:
            InvalidResource: it breaks the contract of this version; its status says so already.
        """
        if kind is RayService and self._lacks_kuberay is not None:
            return None
        return self._known.store(kind).get("" if kind is Fleet else namespace, name)

    async def list(self, kind: type[Resource], namespace: str | None = None) -> list[Resource]:
        return self._known.store(kind).all(namespace)

    async def unreadable_models(self) -> Sequence[tuple[str, str]]:
        return sorted(self._known.models.invalid)

    async def models_of(self, fleet: str) -> Sequence[Model]:
        return [model for model in await self.list(Model) if model.spec.fleet == fleet]

    async def apply(self, resource: Resource) -> Resource:
        """Create it, or bring it to what is said, if it is its owner's or nobody has that name.

        Raises:
            KindMissing: KubeRay is not installed.
            WorldUnavailable: the server refused, or did not answer.
        """
        kind, meta = KINDS[type(resource)], resource.metadata
        store = self._known.store(type(resource))
        now = store.find(meta.namespace or "", meta.name)
        live = now.model_dump(mode="json", by_alias=True) if now is not None else None
        answer = await self._applier.apply(kind, _manifest(resource), live)
        if answer is not None:
            store.put(answer)
        return store.find(meta.namespace or "", meta.name) or resource

    async def keep(self, fleet: Fleet, manifests: Sequence[Manifest]) -> None:
        await self._keeper.keep(fleet, manifests, self.site(fleet).namespace)

    async def resize(self, cluster: RayCluster, groups: Sequence[WorkerGroup]) -> None:
        answer = await write_sizes(self._api, cluster, groups)
        if answer is not None:
            self._known.ray_clusters.put(answer)

    async def collect(self, fleet: str) -> None:
        """Kubernetes' garbage collector does."""

    async def report(self, resource: Resource) -> None:
        answer = await self._reporter.report(KINDS[type(resource)], resource)
        if answer is not None:
            self._known.store(type(resource)).put(answer)

    async def record(self, event: Event) -> None:
        """It is written a moment later; that this failed is logged."""
        self._recorder.take(event, self._known.uid(event.kind, event.namespace, event.name))

    async def watch(self) -> AsyncIterator[Key]:
        """Every key there is, then those that change; ends all it started when it is closed."""
        tasks = self._tasks = set()
        try:
            for work in (
                *(informer.run() for informer in self._known.informers.values()),
                self._recorder.run(),
                self._secrets.run(self._named_secrets),
                self._open(),
            ):
                self._start(work)
            while True:
                yield await self._keys.get()
        finally:
            await self._stop(tasks)

    async def nodes(self) -> Sequence[Node]:
        return self._known.sure(NODE).all()

    async def pods(self, fleet: Fleet) -> Sequence[Pod]:
        pods = self._known.sure(POD).all()
        return [one.pod for one in pods if one.fleet == fleet.metadata.name]

    async def ray_clusters(self, fleet: Fleet) -> Sequence[RayCluster]:
        """None where KubeRay is not installed; to apply a RayService tells."""
        if self._lacks_kuberay is not None:
            return ()
        found = self._known.sure(RAY_CLUSTER).all()
        return [one.cluster for one in found if one.fleet == fleet.metadata.name]

    async def namespace_labels(self, namespace: str) -> Mapping[str, str]:
        return self._known.sure(NAMESPACE).get("", namespace) or {}

    async def secret(self, namespace: str, name: str) -> Mapping[str, str] | None:
        return await self._secrets.read(namespace, name)

    async def ledger(self, fleet: str) -> Ledger | None:
        return self._fleets.ledger(fleet)

    async def reachable(self, fleet: str) -> bool:
        return self._fleets.reachable(fleet)

    async def answers(self, url: str) -> bool:
        return await self._caller.answers(url)

    def site(self, fleet: Fleet) -> Site:
        name = fleet.metadata.name
        namespace = fleet.spec.namespace or self._namespace
        return Site(
            namespace=namespace,
            host=EVERYWHERE,
            port=SERVE_PORT,
            address=f"http://{name}.{namespace}.svc:{SERVE_PORT}",
            image=self._image,
            operator_namespace=self._namespace,
        )

    @property
    def _lacks_kuberay(self) -> KindMissing | None:
        error = self._known.informers[RAY_SERVICE].error
        return error if isinstance(error, KindMissing) else None

    async def _open(self) -> None:
        await self._known.settle()
        await self._fleets.first_answers()
        for key in self._known.resources():
            self._changed(key)
        self._keys.open()

    def _start(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Beside the watch, which breaks if this does."""
        task, tasks = asyncio.create_task(work), self._tasks
        tasks.add(task)

        def ended(task: asyncio.Task[None]) -> None:
            tasks.discard(task)
            if not task.cancelled() and (error := task.exception()) is not None:
                self._keys.fail(error)

        task.add_done_callback(ended)
        return task

    async def _stop(self, tasks: set[asyncio.Task[None]]) -> None:
        """End these, and everything besides unless another watch has begun meanwhile."""
        for task in tasks:
            task.cancel()
        last = self._tasks is tasks
        if last:
            self._tasks = set()
            self._fleets.forget()
            self._keys.close()
            await self._caller.close()
        await asyncio.gather(*tasks, return_exceptions=True)
        if last:
            await self._recorder.drain()

    def _changed(self, key: Key) -> None:
        self._keys.add(key)
        if not self._tasks:  # nobody watches any more
            return
        if key.kind == FLEET.name:
            line = self._line(key.name)
            self._fleets.follow(key.name, line)
            if line is None:
                self._applier.forget_fleet(key.name)
        if self._objector.minds(key):
            self._start(self._objector.object_to(key))

    def _line(self, name: str) -> Line | None:
        """How a Fleet is reached; the Ray cluster that its Service points to has its ledger."""
        fleet = self._known.fleets.find("", name)
        if fleet is None:
            return None
        site = self.site(fleet)
        service = self._known.owned[SERVICE].get(site.namespace, name) or {}
        selector = (service.get("spec") or {}).get("selector") or {}
        cluster = selector.get(RAY_CLUSTER_LABEL)
        head = f"http://{cluster}-head-svc.{site.namespace}.svc:{SERVE_PORT}" if cluster else ""
        return Line(site.namespace, site.address, head)

    def _fleet_said(self, name: str) -> None:
        self._keys.add(Key(FLEET.name, "", name))

    def _model_said(self, key: str) -> None:
        self._keys.add(Key(MODEL.name, *key.split("/", 1)))

    async def _own_secret(self, namespace: str, name: str) -> Mapping[str, str] | None:
        raw = await self._api.find(SECRET, namespace, name)
        return None if raw is None else raw.get("data") or {}

    def _named_secrets(self) -> set[Name]:
        return {name for model in self._known.models.all() for name in _secrets_of(model)}

    def _secret_changed(self, name: Name) -> None:
        for model in self._known.models.all(name[0]):
            if name in _secrets_of(model):
                self._keys.add(Key(MODEL.name, name[0], model.metadata.name))


def _secrets_of(model: Model) -> set[Name]:
    return {(model.metadata.namespace or "", name) for name in secret_names(model)}


def _manifest(resource: Model | Fleet | RayService) -> Raw:
    spoken = {"name", "namespace", "labels", "annotations", "owner_references"}
    meta = resource.metadata.model_dump(
        mode="json", by_alias=True, include=spoken, exclude_defaults=True
    )
    return {
        "apiVersion": resource.api_version,
        "kind": resource.kind,
        "metadata": meta,
        "spec": resource.spec.model_dump(mode="json", by_alias=True, exclude_defaults=True),
    }
