"""One entry of a replica's dictionary: what serves, what is wanted, and how far it is.

A new revision is loaded beside the one that serves, proven, and only then takes over; the old one
finishes what it took and gives its memory back. A revision that cannot be loaded is reported and
changes nothing. The newest configuration wins over a load that is still going on.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import Any

from shoal.api.conditions import Failure, Reason
from shoal.api.ledger import Bytes, Progress, ReplicaReport, ReplicaState, Requests
from shoal.api.runtime import ModelConfig, ModelRevision, same_artifact
from shoal.errors import LoadError, ModelLoadFailed
from shoal_serving.model import LoadedModel

# A child of Ray Serve's logger, so that the lines land in the replica's own log.
logger = logging.getLogger("ray.serve.shoal.hosting")

RETRY_FIRST_S, RETRY_MOST_S = 5.0, 300.0

Report = Callable[[str, int, int | None], None]
# The last one is what serves: it is given back if it can take over what the revision changes.
Load = Callable[[str, ModelRevision, Report, LoadedModel | None], LoadedModel]
Sleep = Callable[[float], Awaitable[None]]


@dataclass(slots=True, eq=False)
class _Attempt:
    """The way to one configuration, until it is there, will not come, or another is wanted.

    `wanted` is the wanted revision while it is being loaded.
    """

    tried: asyncio.Event = field(default_factory=asyncio.Event)
    wanted: ModelRevision | None = None
    task: asyncio.Task[None] | None = None
    superseded: bool = False


class HostedModel:
    """Brings one model to what its configuration wants, and keeps what serves until then.

    Lives on one event loop. `load` is blocking and runs in a thread; `changed` is called on the
    loop whenever a report would say something new; `sleep` waits between tries.
    """

    def __init__(
        self,
        key: str,
        node: str,
        load: Load,
        changed: Callable[[], None],
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        """`key` is `namespace/name`."""
        self.key = key
        self.name = key.rpartition("/")[2]
        self.serving: LoadedModel | None = None
        self.state = ReplicaState.LOADING
        self.failure: Failure | None = None
        self.loads = 0
        self.load_failures: dict[str, int] = {}
        self._node = node
        self._load = load
        self._changed = changed
        self._sleep = sleep
        self._config: ModelConfig | None = None
        self._progress: Progress | None = None
        self._attempt: _Attempt | None = None
        # Models that finish what they took, and those that did and were not exported since.
        self._leaving: list[LoadedModel] = []
        self._left: list[LoadedModel] = []
        self._requests = Requests()
        self._retiring: set[asyncio.Task[None]] = set()

    def configure(self, config: ModelConfig) -> asyncio.Task[None]:
        """Start to bring the model to `config`; the task ends when it serves or has failed once.

        A load of the same revision that is going on goes on.
        """
        before, self._config = self._config, config
        if before is not None and not same_artifact(before.wanted, config.wanted):
            self.failure = None
        attempt = self._attempt
        loading = attempt.wanted if attempt is not None else None
        if attempt is None or loading is None or not same_artifact(loading, config.wanted):
            attempt = self._start(self._bring)
        return asyncio.create_task(_wait(attempt.tried))

    def report(self, now: datetime) -> ReplicaReport:
        """What the ledger is told."""
        serving, config = self.serving, self._config
        return ReplicaReport(
            uid=config.uid if config else "",
            node=self._node,
            state=self.state,
            generation=config.wanted.generation if config else 0,
            revision=serving.revision if serving else None,
            served_generation=serving.config.generation if serving else None,
            digest=serving.digest if serving else None,
            adapters=serving.adapter_digests if serving else {},
            progress=self._progress,
            bytes=serving.bytes if serving else Bytes(),
            requests=_sum(self._requests, self._held()),
            failure=self.failure,
            reported=now,
        )

    def excuse(self) -> str:
        """Why nothing answers, while nothing does."""
        if self.failure is not None:
            return f"{self.name} could not be loaded: {self.failure.message}"
        return f"{self.name} is {self.state.lower()}; try again soon"

    def exportable(self) -> list[LoadedModel]:
        """The models whose numbers may have grown; those that left are given once more."""
        left, self._left = self._left, []
        return [*left, *self._held()]

    async def retire(self) -> None:
        """Stop serving: finish what was taken, then give the memory back."""
        self._supersede()
        self.state = ReplicaState.DRAINING
        self._changed()
        self._replace(None)
        await asyncio.gather(*self._retiring)

    def fell_ill(self, model: LoadedModel, error: LoadError) -> None:
        """`model` stopped answering its proof: if it still serves, load it again beside itself."""
        attempt = self._attempt
        busy = attempt is not None and attempt.task is not None and not attempt.task.done()
        if model is self.serving and not busy:
            self._start(lambda attempt: self._recover(attempt, model, error))

    def _start(self, work: Callable[[_Attempt], Coroutine[Any, Any, None]]) -> _Attempt:
        self._supersede()
        attempt = self._attempt = _Attempt()
        attempt.task = asyncio.create_task(work(attempt))
        attempt.task.add_done_callback(lambda _: attempt.tried.set())
        return attempt

    def _supersede(self) -> None:
        if self._attempt is not None and self._attempt.task is not None:
            self._attempt.superseded = True
            self._attempt.task.cancel()

    async def _bring(self, attempt: _Attempt) -> None:
        if self._serves_wanted():
            self._adopt()
            return
        wait = RETRY_FIRST_S
        while not await self._bring_wanted(attempt):
            await self._fall_back(attempt)
            attempt.tried.set()
            if self.failure is None or not self.failure.retriable:
                return
            await self._sleep(wait)
            wait = min(2 * wait, RETRY_MOST_S)

    async def _bring_wanted(self, attempt: _Attempt) -> bool:
        wanted = attempt.wanted = self._wanted()
        loaded = await self._take_over(attempt, wanted, self.serving)
        attempt.wanted = None
        if loaded:
            self._adopt()
        return loaded

    def _wanted(self) -> ModelRevision:
        assert self._config is not None
        return self._config.wanted

    def _serves_wanted(self) -> bool:
        return self.serving is not None and same_artifact(self.serving.config, self._wanted())

    def _adopt(self) -> None:
        """What serves is what is wanted, at most under newer limits: nothing is loaded."""
        assert self.serving is not None
        self.serving.tune(self._wanted())
        self._settle(ReplicaState.READY)

    async def _fall_back(self, attempt: _Attempt) -> None:
        """A fresh process whose wanted revision does not load serves the one before it."""
        assert self._config is not None
        if self.serving is None and self._config.fallback is not None:
            failure = self.failure
            await self._take_over(attempt, self._config.fallback)
            self._settle(ReplicaState.FAILED, failure)

    async def _recover(self, attempt: _Attempt, model: LoadedModel, error: LoadError) -> None:
        failure = None if self._serves_wanted() else self.failure
        self._fail(error)
        if await self._take_over(attempt, model.config):
            self._settle(ReplicaState.FAILED if failure else ReplicaState.READY, failure)

    async def _take_over(
        self, attempt: _Attempt, revision: ModelRevision, serving: LoadedModel | None = None
    ) -> bool:
        """Serve `revision`; `serving` is what may become it without being loaded anew."""
        self._settle(ReplicaState.LOADING, self.failure)
        try:
            model = await self._loaded(attempt, revision, serving)
        except LoadError as error:
            self._fail(error)
            return False
        except Exception as error:
            logger.exception("loading %s failed unexpectedly", self.key)
            self._fail(ModelLoadFailed(f"Loading failed: {error!r}.", "Report this as a bug."))
            return False
        self.loads += 1
        self._replace(model)
        return True

    async def _loaded(
        self, attempt: _Attempt, revision: ModelRevision, serving: LoadedModel | None
    ) -> LoadedModel:
        """Load in a thread of its own, because the loop's have other work and a load may last.

        A thread cannot be stopped: what comes too late is closed again.
        """
        loop = asyncio.get_running_loop()

        def tell(step: str, done: int, total: int | None) -> None:
            progress = Progress(step=step, done=done, total=total)
            loop.call_soon_threadsafe(self._advance, attempt, progress)

        thread = ThreadPoolExecutor(1, thread_name_prefix=f"load-{self.name}")
        loading = loop.run_in_executor(thread, self._load, self.key, revision, tell, serving)
        thread.shutdown(wait=False)
        try:
            return await asyncio.shield(loading)
        except asyncio.CancelledError:
            loading.add_done_callback(partial(_close_late, serving))
            raise

    def _advance(self, attempt: _Attempt, progress: Progress) -> None:
        if self.state is ReplicaState.LOADING and not attempt.superseded:
            news = self._progress is None or self._progress.step != progress.step
            self._progress = progress
            if news:
                self._changed()

    def _fail(self, error: LoadError) -> None:
        logger.warning("%s: %s", error.reason, error)
        self.load_failures[error.reason] = self.load_failures.get(error.reason, 0) + 1
        failure = Failure(
            reason=Reason.named(error.reason),
            message=error.message,
            action=error.action,
            retriable=error.retriable,
            time=datetime.now(UTC).replace(microsecond=0),
        )
        self._settle(ReplicaState.FAILED, failure)

    def _settle(self, state: ReplicaState, failure: Failure | None = None) -> None:
        self.state, self.failure, self._progress = state, failure, None
        self._changed()

    def _replace(self, model: LoadedModel | None) -> None:
        old, self.serving = self.serving, model
        if old is None or old is model:
            return
        self._leaving.append(old)
        task = asyncio.create_task(self._retire(old))
        self._retiring.add(task)
        task.add_done_callback(self._retiring.discard)

    async def _retire(self, model: LoadedModel) -> None:
        await model.drain()
        await asyncio.get_running_loop().run_in_executor(None, model.close)
        self._leaving.remove(model)
        self._left.append(model)
        self._requests = _sum(self._requests, [model])

    def _held(self) -> list[LoadedModel]:
        return [*self._leaving, *([self.serving] if self.serving else [])]


def _sum(requests: Requests, models: Sequence[LoadedModel]) -> Requests:
    statistics = [model.statistics for model in models]
    return Requests(
        served=requests.served + sum(stats.served for stats in statistics),
        failed=requests.failed + sum(stats.failed for stats in statistics),
    )


def _close_late(serving: LoadedModel | None, loading: asyncio.Future[LoadedModel]) -> None:
    if loading.cancelled() or loading.exception() is not None or loading.result() is serving:
        return
    loading.get_loop().run_in_executor(None, loading.result().close)


async def _wait(done: asyncio.Event) -> None:
    await done.wait()
