"""The one deployment class: a dictionary of models behind one HTTP application.

It is the composition root of the data plane: Ray Serve above it, models below it. It tells the
ledger what it holds, on every change and with every heartbeat.
"""

import asyncio
import contextlib
import logging
import os
import socket
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ray import serve

from shoal.api.ledger import HEARTBEAT_S, ModelReport, ReplicaState
from shoal.api.runtime import (
    DEPLOYMENT,
    LEDGER_APPLICATION,
    ModelConfig,
    ModelRevision,
    ModelsConfig,
    ReplicaConfig,
)
from shoal.errors import LoadError, ShoalError
from shoal_serving.artifacts import Cache, Progress, Vault
from shoal_serving.hosting import HostedModel
from shoal_serving.http.app import HttpApp
from shoal_serving.http.server import write_heads_with_bodies
from shoal_serving.loading import Place, load_model
from shoal_serving.metrics import Exporter
from shoal_serving.model import LoadedModel

logger = logging.getLogger("ray.serve")

FAREWELL_S = 5.0


class NothingLoaded(ShoalError):
    """A new replica could not load any of its models: Serve keeps the old replicas."""


@serve.deployment(name=DEPLOYMENT, max_ongoing_requests=100_000)
@serve.ingress()
class Replica:
    """Holds models and answers for them."""

    def __init__(self, config: dict[str, Any]) -> None:
        self.config = ReplicaConfig.model_validate(config)
        self.models: dict[str, HostedModel] = {}
        self._cache = Cache(Path(os.environ["SHOAL_CACHE"]))
        mounted = os.environ.get("SHOAL_CREDENTIALS")
        self._credentials = Path(mounted) if mounted else None
        self._node = socket.gethostname()
        self._id = serve.get_replica_context().replica_id.unique_id
        self._exporter = Exporter(self.models)
        self._news = asyncio.Event()
        self._reporting: asyncio.Task[None] | None = None
        self._retiring: set[asyncio.Task[None]] = set()
        self._ledger: Any = None
        # Its own, because large requests may hold every thread of the loop's.
        self._proving = ThreadPoolExecutor(1, thread_name_prefix="prove")

    def __serve_build_asgi_app__(self) -> HttpApp:
        write_heads_with_bodies()
        return HttpApp(self.models, self.config.max_body_bytes, self.config.access_log)

    async def reconfigure(self, user_config: dict[str, Any]) -> None:
        """Bring every model to the configuration.

        In a running replica this starts the work and never raises, because Ray Serve would stop a
        healthy replica. A new one waits for its models, and raises if none could be loaded.
        """
        new = self._reporting is None
        try:
            wanted = ModelsConfig.model_validate(user_config).models
        except ValueError:
            if new:
                raise
            logger.exception("the configuration cannot be read; everything stays as it was")
            return
        self._start_reporting()
        first_tries = [self._host(key, config) for key, config in wanted.items()]
        self._retire_all_but(set(wanted))
        if new and first_tries:
            await asyncio.gather(*first_tries)
            await self._raise_if_nothing_loaded()

    async def check_health(self) -> None:
        """Every model repeats its proof, past the queue; one that fails is loaded again.

        Raises:
            NothingLoaded: no model works any more, so Serve replaces this replica.
        """
        serving = [hosted for hosted in self.models.values() if hosted.serving]
        healthy = [await self._is_healthy(hosted) for hosted in serving]
        if serving and not any(healthy):
            raise NothingLoaded("no model answers its proof any more")

    def _host(self, key: str, config: ModelConfig) -> asyncio.Task[None]:
        hosted = self.models.get(key)
        if hosted is None or hosted.state is ReplicaState.DRAINING:
            self.models[key] = HostedModel(config.key, self._node, self._load, self._news.set)
        return self.models[key].configure(config)

    def _load(
        self,
        key: str,
        revision: ModelRevision,
        progress: Progress,
        serving: LoadedModel | None,
    ) -> LoadedModel:
        namespace, _, name = key.rpartition("/")
        vault = Vault(namespace, self._credentials)
        place = Place(
            cache=self._cache,
            threads=self.config.threads,
            memory=self.config.memory,
            vault=vault,
            gpu=self.config.gpu,
            gpu_memory=self.config.gpu_memory,
        )
        return load_model(name, revision, place, progress, serving)

    def _retire_all_but(self, wanted: set[str]) -> None:
        for key, hosted in self.models.items():
            if key not in wanted and hosted.state is not ReplicaState.DRAINING:
                task = asyncio.create_task(self._retire(key, hosted))
                self._retiring.add(task)
                task.add_done_callback(self._retiring.discard)

    async def _retire(self, key: str, hosted: HostedModel) -> None:
        await hosted.retire()
        self._exporter.export_model(key, hosted)
        if self.models.get(key) is hosted:  # else it is wanted again, and another one took over
            del self.models[key]
        self._news.set()

    async def _raise_if_nothing_loaded(self) -> None:
        if any(hosted.serving for hosted in self.models.values()):
            return
        await self._tell_ledger()
        failures = [
            str(hosted.failure.message) for hosted in self.models.values() if hosted.failure
        ]
        raise NothingLoaded("; ".join(failures))

    async def _is_healthy(self, hosted: HostedModel) -> bool:
        model = hosted.serving
        if model is None:
            return False
        try:
            await asyncio.get_running_loop().run_in_executor(self._proving, model.prove)
        except LoadError as error:
            hosted.fell_ill(model, error)
            return hosted.serving is not model  # a model that was replaced meanwhile may fail
        return True

    def _start_reporting(self) -> None:
        if self._reporting is None:
            self._reporting = asyncio.create_task(self._report_forever())

    async def _report_forever(self) -> None:
        while True:
            self._export()
            await self._tell_ledger()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(HEARTBEAT_S):
                    await self._news.wait()
            self._news.clear()

    def _export(self) -> None:
        try:
            self._exporter.export()
        except Exception:
            logger.exception("the metrics could not be exported")

    async def _tell_ledger(self) -> None:
        try:
            async with asyncio.timeout(FAREWELL_S):
                if self._ledger is None:
                    # Once only: it asks Serve's controller, and the event loop stands still.
                    self._ledger = serve.get_app_handle(LEDGER_APPLICATION)
                await self._ledger.report.remote(self._id, self._reports())
        except Exception as error:
            # The ledger is soft state: a report that is lost is made good by the next heartbeat.
            logger.warning("the ledger could not be told: %r", error)

    def _reports(self) -> dict[str, Any]:
        now = datetime.now(UTC)
        return {
            key: self._report(hosted, now).model_dump(mode="json")
            for key, hosted in self.models.items()
        }

    def _report(self, hosted: HostedModel, now: datetime) -> ModelReport:
        replicas, model = {self._id: hosted.report(now)}, hosted.serving
        if model is None:
            return ModelReport(replicas=replicas)
        return ModelReport(
            inputs=model.inputs,
            outputs=model.outputs,
            precision=model.precision,
            generation=model.generation,
            replicas=replicas,
        )
