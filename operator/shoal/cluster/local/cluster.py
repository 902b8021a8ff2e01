"""A laptop as a `Cluster`: the store, Ray Serve on this machine, and the ledger over HTTP."""

import asyncio
import logging
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

import httpx
from pydantic import ValidationError

from shoal.api import Event, Fleet, Ledger, Model, Node, Pod, RayService, Site
from shoal.api.ledger import ModelReport
from shoal.api.runtime import LEDGER_PREFIX
from shoal.cluster import Key, Manifest, Resource
from shoal.cluster.local.service import LocalService
from shoal.cluster.local.store import Store

logger = logging.getLogger(__name__)

SYSTEM_NAMESPACE = "shoal-system"
PROBE_S = 5.0
PROBE_WHILE_DOWN_S = 0.3
LEDGER_WAIT_S = 30


class LocalCluster:
    """Implements `shoal.cluster.Cluster`. One Fleet, whose Ray runs here."""

    def __init__(self, store: Store, service: LocalService, port: int) -> None:
        self._store = store
        self._service = service
        self._port = port
        self._base = f"http://127.0.0.1:{port}"
        self._client = httpx.AsyncClient(timeout=5.0, trust_env=False)
        self._ledger: Ledger | None = None
        self._reachable = False
        self._keys: asyncio.Queue[Key] = asyncio.Queue()

    async def get(self, kind: type[Resource], namespace: str, name: str) -> Resource | None:
        return self._store.get(kind, namespace, name)

    async def list(self, kind: type[Resource], namespace: str | None = None) -> list[Resource]:
        return self._store.list(kind, namespace)

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

    async def collect(self, fleet: str) -> None:
        self._store.delete(RayService, SYSTEM_NAMESPACE, fleet)

    async def report(self, resource: Resource) -> None:
        self._store.report(resource)

    async def record(self, event: Event) -> None:
        self._store.record(event)

    async def watch(self) -> AsyncIterator[Key]:
        """Keys from the store, and those that the ledger or the probe make worth a look."""
        self._reachable = await self._probe()
        sources = (self._watch_store(), self._watch_ledger(), self._watch_address())
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

    async def ledger(self, fleet: str) -> Ledger | None:
        return self._ledger

    async def reachable(self, fleet: str) -> bool:
        return self._reachable

    async def answers(self, url: str) -> bool:
        try:
            return (await self._client.get(url)).status_code == httpx.codes.OK
        except httpx.HTTPError:
            return False

    async def nodes(self) -> Sequence[Node]:
        return ()

    async def pods(self, fleet: Fleet) -> Sequence[Pod]:
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

    async def _watch_address(self) -> None:
        """One probe of the Fleet's own address; a change concerns everything on it."""
        while True:
            reachable = await self._probe()
            if reachable != self._reachable:
                self._reachable = reachable
                self._everything_changed()
            await asyncio.sleep(PROBE_S if reachable else PROBE_WHILE_DOWN_S)

    async def _probe(self) -> bool:
        return await self.answers(f"{self._base}/-/healthz")

    async def _watch_ledger(self) -> None:
        etag = ""
        while True:
            etag = await self._read_ledger(etag)
            if not etag:
                await asyncio.sleep(PROBE_WHILE_DOWN_S)

    async def _read_ledger(self, etag: str) -> str:
        head = self._service.head
        if head is None:
            return ""
        try:
            response = await self._client.get(
                f"{self._base}{LEDGER_PREFIX}/models",
                params={"wait": LEDGER_WAIT_S},
                headers={"authorization": f"Bearer {head.token}", "if-none-match": etag},
                timeout=LEDGER_WAIT_S + 10,
            )
        except httpx.HTTPError:
            return self._lost_ledger()
        if response.status_code == httpx.codes.NOT_MODIFIED:
            return etag
        if response.status_code != httpx.codes.OK:
            return self._lost_ledger()
        try:
            self._take(Ledger.model_validate_json(response.content))
        except ValidationError as error:
            logger.warning("the ledger cannot be read: %s", error)
            return self._lost_ledger()
        return str(response.headers["etag"])

    def _lost_ledger(self) -> str:
        if self._ledger is not None:
            self._ledger = None
            self._everything_changed()
        return ""

    def _take(self, ledger: Ledger) -> None:
        before, self._ledger = self._ledger, ledger
        known = before.models if before is not None else {}
        for key in known.keys() | ledger.models.keys():
            if _essence(known.get(key)) != _essence(ledger.models.get(key)):
                namespace, _, name = key.partition("/")
                self._keys.put_nowait(Key(Model.__name__, namespace, name))
        if before is None:
            self._everything_changed()

    def _everything_changed(self) -> None:
        for fleet in self._store.list(Fleet):
            self._keys.put_nowait(Key(Fleet.__name__, "", fleet.metadata.name))


def _essence(report: ModelReport | None) -> dict[str, Any] | None:
    """What a report says, without what every heartbeat changes."""
    if report is None:
        return None
    return report.model_dump(exclude={"replicas": {"__all__": {"reported", "requests"}}})
