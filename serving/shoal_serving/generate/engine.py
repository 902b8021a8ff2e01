"""The loop that generates: one thread, which owns the session, the cache and every running job.

    hear what came in ▸ end what is too late ▸ give rows to newcomers ▸ run ▸ sample ▸ write ▸ tell

Nothing that one job does or suffers ends another one; only ONNX Runtime failing in a run ends all
jobs of that run.
"""

import logging
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import replace
from typing import NamedTuple, TypeVar

from shoal.errors import DeadlineExceeded, InferenceFailed, Overloaded, RequestError
from shoal_serving.generate.counting import EngineStatistics
from shoal_serving.generate.job import Job
from shoal_serving.generate.outbox import Outbox
from shoal_serving.generate.pace import Pace
from shoal_serving.generate.prefix import BLOCK, PrefixCache
from shoal_serving.generate.request import Delta, Finish
from shoal_serving.generate.runner import Logits, Runner
from shoal_serving.generate.sampling.logprobs import prompt_logprobs
from shoal_serving.generate.sampling.sampler import Sampled, Sampler
from shoal_serving.generate.scheduler import Run, Scheduler
from shoal_serving.generate.speculation import DRAFT, Speculator
from shoal_serving.generate.worker import Worker

# A child of Ray Serve's logger, so that the lines land in the replica's own log.
logger = logging.getLogger("ray.serve.shoal.engine")

T = TypeVar("T")
# So much of a prompt must be the same as another's for it to wait until that one is computed.
_SHARED = 4 * BLOCK


class Engine:
    """Generates for whoever submits jobs, until it is closed; may be called from any thread."""

    def __init__(self, name: str, runner: Runner, sampler: Sampler, prefixes: PrefixCache) -> None:
        self.statistics = EngineStatistics()
        self.prefixes = prefixes
        self.runner = runner
        self._sampler = sampler
        self._scheduler: Scheduler[Job] = Scheduler(runner.cache.rows, runner.decoder.ragged)
        self._pace = Pace()
        self._speculator = Speculator()
        self._outbox = Outbox()
        self._ended: list[Job] = []
        self._prompted: list[Job] = []
        self._worker = Worker(f"generate-{name}", self._work, lambda: self._scheduler.busy)
        self._worker.start()

    @property
    def kv_usage(self) -> float:
        """The part of the KV cache that holds tokens, 0 to 1."""
        cache = self.runner.cache
        return sum(job.computed for job in list(self._scheduler.running)) / (
            cache.rows * cache.capacity
        )

    def submit(self, job: Job) -> None:
        """Generate `job` when its turn comes.

        Raises:
            Overloaded: the engine was closed; what took its place can be asked.
        """
        if not self._worker.tell(lambda: self._scheduler.add(job)):
            raise Overloaded("the model was just replaced; try again")

    def cancel(self, job: Job) -> None:
        """Nobody reads `job` any more: its row is free before the next step. It may have ended."""
        self._worker.tell(lambda: self._abort(job))

    def between_steps(self, work: Callable[[], T]) -> "Future[T]":
        """Have `work` done by the engine's thread, which owns the adapters and prefixes."""
        return self._worker.ask(work)

    def close(self) -> None:
        """End what runs, and the thread; give back the session and the memory."""
        self._worker.close()
        left = [*self._scheduler.running, *self._scheduler.waiting]
        self._fail(left, InferenceFailed("the model was unloaded"))
        self._outbox.send()
        self.prefixes.clear()
        self.runner.close()

    def _work(self) -> None:
        try:
            self._step()
        except Exception as error:
            logger.exception("a step failed unexpectedly")
            self._fail(self._scheduler.running, InferenceFailed(f"the engine failed: {error!r}"))
        self._outbox.send()  # first, so that nobody waits for what is only for later prompts
        self._forget_ended()
        self._keep_prompts()

    def _step(self) -> None:
        now = time.monotonic()
        self._expire(now)
        for job in self._scheduler.admit():
            self._begin(job, now)
        self._go_on_after_leaders()
        running = self._scheduler.running
        decoding = sum(job.pending == 1 for job in running)
        if len(running) == decoding == 1 and self._speculate(running[0]):
            return
        for run in self._scheduler.plan(self._pace.budget(decoding, len(running) - decoding)):
            self._execute(run)

    def _expire(self, now: float) -> None:
        """End those that waited for longer than they wanted to."""
        late = [
            job
            for job in self._scheduler.waiting
            if job.generation.deadline is not None and job.generation.deadline < now
        ]
        for job in late:
            waited = now - job.arrived
            self._end(job, DeadlineExceeded(f"waited {waited:.1f} s for its turn and was not run"))

    def _begin(self, job: Job, now: float) -> None:
        """A job has a row: what is known of its prompt is put there."""
        assert job.row is not None
        self.runner.adapters[job.row] = job.adapter
        if job.generation.prompt_logprobs is None:
            self._put_prefix(job)
            job.leader = self._leader(job)
        counts = self.statistics.of(job.generation.adapter)
        counts.prompt += job.prompt
        counts.queue.observe(now - job.arrived)

    def _put_prefix(self, job: Job) -> None:
        assert job.row is not None
        known = job.computed
        for number, block in enumerate(self.prefixes.find(job.tokens, job.variant)):
            if number * BLOCK >= known:
                self.runner.cache.write(job.row, number * BLOCK, block)
                job.computed = (number + 1) * BLOCK
        job.reader.cached_tokens = job.computed
        self.statistics.of(job.generation.adapter).cached += job.computed - known

    def _leader(self, job: Job) -> Job | None:
        """One that is computing much of the same prompt, so that `job` had better wait for it."""
        shared = job.computed + _SHARED
        if not self.prefixes.limit or len(job.tokens) <= shared:
            return None
        beginning = job.tokens[:shared]
        for other in self._scheduler.running:
            if other.generated or other.held or other.variant != job.variant:
                continue
            if other.rank < job.rank and other.tokens[:shared] == beginning:
                return other
        return None

    def _go_on_after_leaders(self) -> None:
        for job in self._scheduler.running:
            if job.leader is not None and not job.held:
                job.leader = None
                self._put_prefix(job)

    def _execute(self, run: Run) -> None:
        jobs = self._scheduler.running[run.first : run.first + len(run.counts)]
        parts = [_Part(*pair, _places(*pair)) for pair in zip(jobs, run.counts, strict=True)]
        tokens = [job.tokens[job.computed : job.computed + count] for job, count, _ in parts]
        wanted = [(row, place) for row, part in enumerate(parts) for place in part.places]
        began = time.perf_counter()
        logits = self._run(run, jobs, tokens, wanted)
        if logits is not None:
            self._take(parts, logits)
            self._learn(run, time.perf_counter() - began)

    def _run(
        self,
        run: Run,
        jobs: Sequence[Job],
        tokens: Sequence[Sequence[int]],
        wanted: Sequence[tuple[int, int]],
    ) -> Logits | None:
        """The logits; None, and everybody told, if that failed."""
        self.statistics.steps += 1
        try:
            return self.runner.run(run, tokens, [job.computed for job in jobs], wanted)
        except InferenceFailed as error:
            self._fail([job for job, new in zip(jobs, tokens, strict=True) if new], error)
            return None

    def _learn(self, run: Run, seconds: float) -> None:
        if run.width > 1:
            self._pace.prefilled(len(run.counts) * run.width, seconds)
        else:
            self._pace.decoded(sum(run.counts), seconds)
            if len(run.counts) == 1:
                self._speculator.plain(seconds)

    def _speculate(self, job: Job) -> bool:
        """Run a draft of what a lone job says next; False if there is none."""
        assert job.row is not None
        most = min(DRAFT, job.limit - len(job.tokens) - 1)
        if most < 1 or not self._speculator.worthwhile():
            return False
        draft = job.lookup.draft(job.tokens, most)
        if not draft:
            return False
        tokens = [job.tokens[-1], *draft]
        wanted = [(0, place) for place in range(len(tokens))]
        began = time.perf_counter()
        logits = self._run(Run(job.row, (len(tokens),)), [job], [tokens], wanted)
        if logits is not None:
            gained = self._accept(job, draft, logits)
            self._speculator.drafted(gained, time.perf_counter() - began)
        return True

    def _accept(self, job: Job, draft: Sequence[int], logits: Logits) -> int:
        """Sample behind each token for as long as the draft was right; how many tokens came."""
        generated = job.generated
        for place, guess in enumerate([*draft, None]):
            job.computed += 1
            self._sample([job], logits[place : place + 1])
            if job.ended or job.tokens[-1] != guess:
                break
        gained = job.generated - generated
        self.statistics.drafted += len(draft)
        self.statistics.accepted += max(0, gained - 1)
        return gained

    def _take(self, parts: Sequence["_Part"], logits: Logits) -> None:
        """Note what is computed, and sample for those of whom all is."""
        ready, rows, at = [], [], 0
        for job, count, places in parts:
            if not count:
                continue
            if places and job.generation.prompt_logprobs is not None and not job.generated:
                self._score_prompt(job, logits[at : at + len(places)])
            at += len(places)
            job.computed += count
            if not job.pending and not job.ended and self._samples(job):
                ready.append(job)
                rows.append(at - 1)
        if ready:
            self._sample(ready, logits if len(rows) == len(logits) else logits[rows])

    def _samples(self, job: Job) -> bool:
        """Whether a job of which all is computed goes on."""
        if not job.generated:
            self._prompted.append(job)
        if not job.writer.full:
            return True
        self._tell_last(job)  # nothing was asked for but the prompt's own logprobs
        return False

    def _score_prompt(self, job: Job, logits: Logits) -> None:
        following = job.tokens[job.computed + 1 : job.computed + 1 + len(logits)]
        if not following:
            return
        top = job.generation.prompt_logprobs or 0
        try:
            job.prompt_logprobs += prompt_logprobs(logits[: len(following)], following, top)
        except InferenceFailed as error:
            self._end(job, error)

    def _sample(self, jobs: Sequence[Job], logits: Logits) -> None:
        now = time.monotonic()
        states = [job.state for job in jobs]
        for job, sampled in zip(jobs, self._sampler.sample(logits, states), strict=True):
            if sampled.error is not None:
                self._end(job, sampled.error)
            else:
                self._append(job, sampled, now)

    def _append(self, job: Job, sampled: Sampled, now: float) -> None:
        """One more token of a job, which may be its last."""
        job.tokens.append(sampled.token)
        delta = job.writer.write(sampled.token, sampled.logprob)
        if job.generated == 1 and job.generation.prompt_logprobs is not None:
            delta = replace(delta, prompt_logprobs=tuple(job.prompt_logprobs))
        if delta.finish is None:
            job.state.accept(sampled.token)
        self._observe(job, now)
        self._outbox.put(job, delta)
        if delta.finish is not None:
            self._finish(job, delta.finish)

    def _tell_last(self, job: Job) -> None:
        entries = tuple(job.prompt_logprobs)
        delta = Delta(finish=Finish.LENGTH, prompt_logprobs=entries)
        self._outbox.put(job, delta)
        self._finish(job, Finish.LENGTH)

    def _observe(self, job: Job, now: float) -> None:
        counts = self.statistics.of(job.generation.adapter)
        counts.generated += 1
        times = counts.first_token if job.generated == 1 else counts.each_token
        times.observe(now - job.last)
        job.last = now

    def _remember(self, job: Job) -> None:
        row = job.row
        if row is None:
            return
        try:
            self.prefixes.keep(
                job.tokens[: job.computed],
                job.variant,
                lambda start, stop: self.runner.cache.read(row, start, stop),
            )
        except InferenceFailed as error:
            logger.error("a prefix is not kept: %s", error)

    def _finish(self, job: Job, finish: Finish) -> None:
        finished = self.statistics.of(job.generation.adapter).finished
        finished[finish.value] = finished.get(finish.value, 0) + 1
        job.ended = True
        self._ended.append(job)

    def _abort(self, job: Job) -> None:
        if not job.ended:
            self._finish(job, Finish.ABORT)
            self._forget_ended()

    def _end(self, job: Job, error: RequestError) -> None:
        """What a job that failed has in its row is not to be relied on."""
        if not job.ended:
            job.computed = 0
            self._outbox.put(job, error)
            self._finish(job, Finish.ABORT)

    def _fail(self, jobs: Sequence[Job], error: RequestError) -> None:
        for job in list(jobs):
            self._end(job, error)

    def _forget_ended(self) -> None:
        """Free the rows of those that ended; not before a step is over, whose rows are planned."""
        ended, self._ended = self._ended, []
        # From the last row on, so that nobody moves who has ended too.
        for job in sorted(ended, key=lambda job: job.row or 0, reverse=True):
            if job.row is not None:
                self._remember(job)
            moved = self._scheduler.remove(job)
            if moved is not None:
                self._move(*moved)
        self.statistics.running = len(self._scheduler.running)
        self.statistics.waiting = self._scheduler.queued

    def _keep_prompts(self) -> None:
        """Keep what was just computed of prompts, for those who begin alike."""
        prompted, self._prompted = self._prompted, []
        for job in prompted:
            if not job.ended:
                self._remember(job)

    def _move(self, job: Job, left: int) -> None:
        assert job.row is not None
        self.runner.adapters[job.row] = job.adapter
        try:
            self.runner.cache.move(left, job.row, job.computed)
        except InferenceFailed as error:
            self._end(job, error)


class _Part(NamedTuple):
    """A job in a run: how many new tokens, and after which of them logits are wanted."""

    job: Job
    new: int
    places: range


def _places(job: Job, count: int) -> range:
    """After which of a job's new tokens logits are wanted."""
    if not count:
        return range(0)
    if job.generation.prompt_logprobs is not None and job.computed < job.prompt:
        return range(count)
    return range(count - 1, count) if count == job.pending else range(0)
