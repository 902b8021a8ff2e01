"""KubeRay and all Fleets in one process: `python -m bench.control.stand_in KUBECONFIG`.

It prints the address of the proxy that answers for `*.svc`, and runs until it is ended. What a
RayService is told has come to be within `LOOK_S`: KubeRay asks Ray that often, and replicas are
pretended to have loaded everything by then.
"""

import asyncio
import base64
import sys
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from fleet_stand_in import Fleets

from bench.control.pretended import (
    ledger_of,
    name_of_ray_cluster,
    ray_cluster_of,
    status_of,
)
from shoal.api import RayService
from shoal.cluster.kube import Api, connect
from shoal.cluster.kube.fleets import TOKEN_KEY
from shoal.cluster.kube.informer import Informer, Pace
from shoal.cluster.kube.kinds import RAY_CLUSTER, RAY_SERVICE, SECRET
from shoal.cluster.kube.reading import read_ray_service
from shoal.cluster.kube.statuses import write_status
from shoal.cluster.kube.store import Name, Store

LOOK_S = 2.0


class KubeRay:
    """Looks after every RayService."""

    def __init__(self, api: Api, fleets: Fleets) -> None:
        self._api = api
        self._fleets = fleets
        self._tokens: dict[Name, str] = {}
        self._news: set[Name] = set()
        self._services: Store[RayService] = Store(read_ray_service, self._changed)

    async def run(self) -> None:
        """Until it is cancelled."""
        async with asyncio.TaskGroup() as tasks:
            informer = Informer(self._api, RAY_SERVICE, self._services, Pace(), lambda: None)
            tasks.create_task(informer.run())
            tasks.create_task(self._look())

    def _changed(self, name: Name, before: RayService | None, after: RayService | None) -> None:
        if after is not None and after.status.observed_generation != after.metadata.generation:
            self._news.add(name)

    async def _look(self) -> None:
        while True:
            await asyncio.sleep(LOOK_S)
            news, self._news = self._news, set()
            for name in news:
                if (service := self._services.find(*name)) is not None:
                    await self._serve(name, service)

    async def _serve(self, name: Name, service: RayService) -> None:
        namespace, fleet = name
        await self._start(namespace, service)
        head = f"{name_of_ray_cluster(service)}-head-svc.{namespace}.svc"
        self._fleets.say(head, await self._token(name), ledger_of(service, datetime.now(UTC)))
        self._fleets.healthy.add(f"{fleet}.{namespace}.svc")
        status = {"status": status_of(service)}
        await write_status(self._api, RAY_SERVICE, service.model_copy(update=status))

    async def _start(self, namespace: str, service: RayService) -> None:
        """Make its Ray cluster, with pods that are up at once."""
        if service.status.active_service_status.ray_cluster_name:
            return
        body = ray_cluster_of(service)
        made = await self._api.call("create", RAY_CLUSTER, namespace, body=body)
        where = (namespace, body["metadata"]["name"], "status")
        await self._api.call("update", RAY_CLUSTER, *where, body=made | {"status": body["status"]})

    async def _token(self, name: Name) -> str:
        """Of the Fleet, which has it before KubeRay hears of it."""
        if name not in self._tokens:
            raw = await self._api.find(SECRET, name[0], f"{name[1]}-token")
            assert raw is not None, f"RayService {name[1]} came before its token"
            self._tokens[name] = base64.b64decode(raw["data"][TOKEN_KEY]).decode()
        return self._tokens[name]


async def stand_in(kubeconfig: Path) -> None:
    """Until it is cancelled."""
    async with Fleets() as fleets, connect(kubeconfig) as api:
        print(fleets.address, flush=True)
        await KubeRay(api, fleets).run()


if __name__ == "__main__":
    with suppress(KeyboardInterrupt):
        asyncio.run(stand_in(Path(sys.argv[1])))
