"""A model whose answers need one run: its queue, and how its feeds become batches."""

import asyncio
import contextlib
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from shoal.api.runtime import ModelRevision
from shoal.errors import (
    InferenceFailed,
    InvalidRequest,
    MemoryExceeded,
    MemoryUsedUp,
    ProofFailed,
    RequestError,
)
from shoal_serving.backends import Backend
from shoal_serving.backends.exhaustion import ROOM
from shoal_serving.batching import Batcher
from shoal_serving.model import LoadedModel
from shoal_serving.proof import Proof, check_answer
from shoal_serving.rows import WrongRows, alike, apart, changed, joined, portions, shapes, split
from shoal_serving.tasks import Encoded, Feed, Task
from shoal_serving.tensors import Tensors


class BatchedModel(LoadedModel):
    """Answers queries in batches until it is closed."""

    def __init__(
        self,
        name: str,
        revision: str,
        digest: str,
        config: ModelRevision,
        task: Task[Any, Any],
        backend: Backend,
        proof: Proof,
    ) -> None:
        super().__init__(name, revision, digest, config, task.inputs, task.outputs, proof)
        self.task: Task[Any, Any] = task
        self._batches = backend.batches
        self._timeout = config.batching.timeout.seconds
        self._backend = backend
        self._executor = ThreadPoolExecutor(1, thread_name_prefix=f"infer-{name}")
        self._batcher = Batcher(self._run, self._executor, 1, config.batching.max_queue_size)
        self._batcher.observe = self.statistics.ran

    @property
    def queued(self) -> int:
        """Feeds that wait for their turn."""
        return self._batcher.queued

    @property
    def batches(self) -> bool:
        return self._batches

    @property
    def max_batch_size(self) -> int:
        return self._batcher.max_rows

    async def answer(self, query: Any, timeout: float | None = None, large: bool = False) -> Any:
        """Answer one query, which waits at most `timeout` seconds (or the Model's) for its turn.

        From this call on (not before: take the model when the body has been read) `drain` waits.
        `large` queries are encoded in a thread, so that others need not wait for it.

        Raises:
            RequestError: the query cannot be answered. A cancelled query leaves the queue.
        """
        with self.taken():
            encoded = await self._encoded_aside(query) if large else self.task.encode(query)
            parts = [self._parts(feed) for feed in encoded.feeds]
            limit = self._timeout if timeout is None else min(self._timeout, timeout)
            feeds = [part for feed in parts for part in feed]
            rows = await self._outputs(feeds, time.monotonic() + limit)
        return self.task.decode(encoded, joined(rows, parts))

    async def _outputs(self, feeds: Sequence[Feed], deadline: float) -> list[Tensors]:
        """Each feed's outputs, of however many feeds: others' requests come between its portions,
        and no request fills the queue by itself.
        """
        outputs: dict[int, Tensors] = {}
        for portion in portions(feeds, self.max_batch_size):
            submitted = self._batcher.submit([feeds[i] for i in portion], deadline, bool(outputs))
            outputs.update(zip(portion, await _all(submitted), strict=True))
        return [outputs[i] for i in range(len(feeds))]

    def _parts(self, feed: Feed) -> list[Feed]:
        """What runs for a feed: parts of at most a batch, or all of it where rows must not mix."""
        if not self.batches:
            return [Feed(feed.tensors, feed.rows, shapes(feed))]
        if feed.rows <= self.max_batch_size:
            return [feed]
        return split(feed, self.max_batch_size)

    async def _encoded_aside(self, query: Any) -> Encoded[Any]:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(None, self.task.encode, query)

    def tune(self, config: ModelRevision) -> None:
        super().tune(config)
        self._timeout = config.batching.timeout.seconds
        self._batcher.max_queue = config.batching.max_queue_size
        self._batcher.max_rows = config.batching.max_batch_size if self._batches else 1

    def warm(self, progress: Callable[[int, int], None]) -> None:
        """Run every power of two up to the largest batch, and learn what each costs.

        A graph whose rows turn out to depend on each other is served unbatched from here on.

        Raises:
            ProofFailed: the proof cannot be run, or not as often at once as a batch is large.
        """
        with _failing("The model loaded, but does not answer", _ANOTHER_SAMPLE):
            feed = self.task.encode(self.proof.query).feeds[0]
            self._run([feed])
        self._batches = self._batches and self._rows_are_independent(feed)
        self.tune(self.config)
        feed = self._parts(feed)[0]
        counts = _doubling(self.max_batch_size // max(1, feed.rows))
        for done, count in enumerate(counts):
            progress(done, len(counts))
            with _failing(f"The model does not run {count * feed.rows} rows at once", _SMALLER):
                self._warm([feed] * count)
        progress(len(counts), len(counts))

    def _warm(self, batch: list[Feed]) -> None:
        self._run(batch)  # The first run of a shape allocates and compiles; it is not timed.
        began = time.perf_counter()
        self._run(batch)
        rows = sum(feed.rows for feed in batch)
        self._batcher.learn(batch[0].key, rows, time.perf_counter() - began)

    def _rows_are_independent(self, feed: Feed) -> bool:
        """Whether a row's outputs are the same alone, before and behind another row."""
        other = self._companion(feed)
        try:
            alone = self._run([feed])[0]
            before, behind = self._run([feed, other])[0], self._run([other, feed])[1]
        except (InvalidRequest, InferenceFailed, WrongRows):
            return False
        return alike(alone, before) and alike(alone, behind)

    def _companion(self, feed: Feed) -> Feed:
        """A feed of the same shapes, with as many other values as the graph will take."""
        for kinds in ("fVbiuO", "fV"):
            other = changed(feed, kinds)
            with contextlib.suppress(InvalidRequest, InferenceFailed):
                self._run([other])
                return other
        return feed

    def prove(self) -> None:
        with _failing("The model loaded, but does not answer", _ANOTHER_SAMPLE):
            encoded = self.task.encode(self.proof.query)
            rows = [row for feed in encoded.feeds for row in self._run([feed])]
            answer = self.task.to_tensors(self.task.decode(encoded, rows))
        check_answer(self.proof, answer)

    def _run(self, feeds: Sequence[Feed]) -> list[Tensors]:
        """Compute feeds of one key as one batch; each feed gets its own rows back."""
        if len(feeds) == 1:
            return [self._backend.run(feeds[0].tensors)]
        outputs = self._backend.run(self.task.collate(feeds))
        return apart(outputs, [feed.rows for feed in feeds])

    def close(self) -> None:
        self._executor.shutdown(wait=True)
        self._backend.close()
        super().close()


async def _all(futures: Sequence[asyncio.Future[Tensors]]) -> list[Tensors]:
    """The results, in order; where one failed or nobody waits any more, the rest is not run."""
    try:
        return [await future for future in futures]
    finally:
        for future in futures:
            # Read the exception too: a failed sibling of a failed feed is nobody's surprise.
            if not future.cancel() and not future.cancelled():
                future.exception()


_ANOTHER_SAMPLE = "Put a request it can answer into sample.json in the model's folder."
_ROOM = f"{ROOM}; or lower spec.batching.maxBatchSize."
_SMALLER = "Lower spec.batching.maxBatchSize."


def _doubling(most: int) -> list[int]:
    """1, 2, 4, ... and at last `most`; 1 at least."""
    counts = [1]
    while counts[-1] < most:
        counts.append(min(2 * counts[-1], most))
    return counts


@contextlib.contextmanager
def _failing(what: str, action: str) -> Iterator[None]:
    """Whatever goes wrong inside is a failed proof, but for memory."""
    try:
        yield
    except MemoryUsedUp as error:
        raise MemoryExceeded(f"{what}: {error}.", _ROOM) from error
    except Exception as error:
        why = error if isinstance(error, RequestError) else repr(error)
        raise ProofFailed(f"{what}: {why}.", action) from error
