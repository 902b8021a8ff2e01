"""A laptop as a `Cluster`: the store, Ray Serve on this machine, and the ledger over HTTP."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence

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
from shoal.cluster import Key, Manifest, Resource
from shoal.cluster.asking import (
    Caller,
    LedgerSource,
    changed_models,
    follow_address,
    follow_ledger,
)
from shoal.cluster.local.service import LocalService
from shoal.cluster.local.store import Store

SYSTEM_NAMESPACE = "shoal-system"


class LocalCluster:
    """Implements `shoal.cluster.Cluster`. One Fleet, whose Ray runs here."""

    def __init__(self, store: Store, service: LocalService, port: int) -> None:
        self._store = store
        self._service = service
        self._port = port
        self._base = f"http://127.0.0.1:{port}"
        self._caller = Caller(trust_env=False)
        self._ledger: Ledger | None = None
        self._reachable = False
        self._keys: asyncio.Queue[Key] = asyncio.Queue()

    async def get(self, kind: type[Resource], namespace: str, name: str) -> Resource | None:
        return self._store.get(kind, namespace, name)

    async def list(self, kind: type[Resource], namespace: str | None = None) -> list[Resource]:
        return self._store.list(kind, namespace)

    async def unreadable_models(self) -> Sequence[tuple[str, str]]:
        return ()  # they stay as they were last understood

    async def models_of(self, fleet: str) -> Sequence[Model]:
        return [model for model in await self.list(Model) if model.spec.fleet == fleet]

    async def apply(self, resource: Resource) -> Resource:
        meta = resource.metadata
        now = self._store.get(type(resource), meta.namespace or "", meta.name)
        if now is not None and now.spec == resource.spec:
            return now
        applied = self._store.apply(resource).resource
        self._service.poke()
        return applied

    async def keep(self, fleet: Fleet, manifests: Sequence[Manifest]) -> None:
        """There is nothing but Ray on a laptop."""

    async def resize(self, cluster: RayCluster, groups: Sequence[WorkerGroup]) -> None:
        """There are no workers but this machine."""

    async def collect(self, fleet: str) -> None:
        self._store.delete(RayService, SYSTEM_NAMESPACE, fleet)

    async def report(self, resource: Resource) -> None:
        self._store.report(resource)

    async def record(self, event: Event) -> None:
        self._store.record(event)

    async def watch(self) -> AsyncIterator[Key]:
        """Keys from the store, and those that the ledger or the probe make worth a look."""
        self._reachable = await self._caller.answers(f"{self._base}/-/healthz")
        sources = (
            self._watch_store(),
            follow_ledger(self._caller, self._ledger_source, self._take_ledger),
            follow_address(self._caller, self._base, self._take_reachable),
        )
        tasks = [asyncio.create_task(source) for source in sources]
        try:
            while True:
                getting = asyncio.create_task(self._keys.get())
                await asyncio.wait([getting, *tasks], return_when=asyncio.FIRST_COMPLETED)
                for task in tasks:
                    if task.done():
                        task.result()
                yield await getting
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await self._caller.close()

    async def ledger(self, fleet: str) -> Ledger | None:
        return self._ledger

    async def reachable(self, fleet: str) -> bool:
        return self._reachable

    async def answers(self, url: str) -> bool:
        return await self._caller.answers(url)

    async def nodes(self) -> Sequence[Node]:
        return ()

    async def pods(self, fleet: Fleet) -> Sequence[Pod]:
        return ()

    async def ray_clusters(self, fleet: Fleet) -> Sequence[RayCluster]:
        return ()

    async def namespace_labels(self, namespace: str) -> Mapping[str, str]:
        return {}

    async def secret(self, namespace: str, name: str) -> Mapping[str, str] | None:
        return None

    def site(self, fleet: Fleet) -> Site:
        return Site(
            namespace=SYSTEM_NAMESPACE, host="127.0.0.1", port=self._port, address=self._base
        )

    async def _watch_store(self) -> None:
        async for key in self._store.watch():
            if key.kind == RayService.__name__:
                self._service.poke()
            self._keys.put_nowait(key)

    async def _ledger_source(self, refused: bool) -> LedgerSource | None:
        head = self._service.head
        return LedgerSource(self._base, head.token) if head is not None else None

    def _take_ledger(self, ledger: Ledger | None) -> None:
        before, self._ledger = self._ledger, ledger
        if (before is None) != (ledger is None):
            self._everything_changed()
        for key in changed_models(before, ledger):
            namespace, _, name = key.partition("/")
            self._keys.put_nowait(Key(Model.__name__, namespace, name))

    def _take_reachable(self, reachable: bool) -> None:
        """One probe of the Fleet's own address; a change concerns everything on it."""
        if reachable != self._reachable:
            self._reachable = reachable
            self._everything_changed()

    def _everything_changed(self) -> None:
        for fleet in self._store.list(Fleet):
            self._keys.put_nowait(Key(Fleet.__name__, "", fleet.metadata.name))
