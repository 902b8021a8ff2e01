"""A model whose answers grow token by token: what a replica and its protocols see of the engine."""

import asyncio
import itertools
import threading
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from shoal.api.ledger import GenerationFacts
from shoal.api.runtime import ModelRevision
from shoal.errors import InferenceFailed, InvalidRequest, Overloaded, ProofFailed, RequestError
from shoal_serving.generate.adapters import Adapter
from shoal_serving.generate.chat import ChatTemplate
from shoal_serving.generate.engine import Engine
from shoal_serving.generate.grammar.compiling import CompiledGrammar, Grammars
from shoal_serving.generate.grammar.matcher import Matcher
from shoal_serving.generate.job import Job, Reader
from shoal_serving.generate.request import Delta, Generation, Grammar, Sampling
from shoal_serving.generate.room import SCORED_BYTES, Room
from shoal_serving.generate.sampling.checks import check
from shoal_serving.generate.sampling.state import SamplingState
from shoal_serving.generate.served import BASE, Served, ServedAdapters
from shoal_serving.generate.stream import Stream, joined
from shoal_serving.generate.vocabulary import Vocabulary
from shoal_serving.generate.writer import Writer
from shoal_serving.model import LoadedModel
from shoal_serving.proof import Proof, check_answer
from shoal_serving.tasks.generated import GeneratedText
from shoal_serving.tasks.text_generation import TextGeneration

# A proof goes before everybody else, and an engine that made no step for so long is dead.
_FIRST = -(2**62)
_STUCK_S = 60.0
_LOOK_S = 0.2
_SAMPLE = "Put a request it can answer into sample.json in the model's folder."
# New grammars under way: each may take seconds, one at a time.
_MOST_TRIED = 8


class GenerativeModel(LoadedModel):
    """Generates until it is closed.

    `context` is the most tokens of a prompt and its answer; `room` what the cache was planned for;
    `defaults` how it is sampled where a request does not say.
    """

    def __init__(
        self,
        name: str,
        revision: str,
        digest: str,
        config: ModelRevision,
        task: TextGeneration,
        proof: Proof,
        engine: Engine,
        adapters: ServedAdapters,
        vocabulary: Vocabulary,
        template: ChatTemplate | None,
        defaults: Sampling,
        room: Room,
        precision: str | None,
    ) -> None:
        super().__init__(name, revision, digest, config, task.inputs, task.outputs, proof)
        self.task: TextGeneration = task
        self.engine = engine
        self.vocabulary = vocabulary
        self.template = template
        self.defaults = defaults
        self.room = room
        self.context = room.tokens
        self._precision = precision
        self._adapters = adapters
        self._grammars = Grammars(vocabulary.tokenizer_json, vocabulary.size, vocabulary.end_tokens)
        self._compiling = ThreadPoolExecutor(1, thread_name_prefix=f"grammar-{name}")
        self._trying = 0
        self._numbers = itertools.count()
        self._live = 0
        self.tune(config)

    @property
    def adapters(self) -> Mapping[str, Served]:
        """The LoRA adapters that may be asked for, by name."""
        return self._adapters.served

    @property
    def capacity(self) -> int:
        """How many sequences run and wait, at most."""
        return self.room.sequences + self._max_queue

    @property
    def queued(self) -> int:
        return self.engine.statistics.waiting

    @property
    def batches(self) -> bool:
        return True

    @property
    def max_batch_size(self) -> int:
        return self.room.sequences

    @property
    def precision(self) -> str | None:
        return self._precision

    @property
    def generation(self) -> GenerationFacts:
        room = self.room
        return GenerationFacts(
            sequences=room.sequences,
            tokens=room.tokens,
            kv_bytes=room.kv_bytes,
            adapters=tuple(self.adapters),
        )

    @property
    def adapter_digests(self) -> dict[str, str]:
        return {name: served.digest for name, served in self.adapters.items()}

    @property
    def projections(self) -> tuple[str, ...]:
        """What adapters of this model may change."""
        stacks = self.engine.runner.stacks
        return stacks.projections if stacks is not None else ()

    def change_adapters(
        self, adapters: Sequence[tuple[Adapter, str]], stay: Collection[str]
    ) -> None:
        """Serve these, each with its digest, and of those that are served the names in `stay`.

        Blocking; not for the event loop.

        Raises:
            ModelLoadFailed: one does not fit; what was served still is.
        """
        self._adapters.change(adapters, stay)

    def tune(self, config: ModelRevision) -> None:
        super().tune(config)
        self._timeout = config.batching.timeout.seconds
        self._max_queue = config.batching.max_queue_size

    async def start(self, generation: Generation) -> Stream:
        """Generate one sequence; `drain` waits for its end.

        Raises:
            InvalidRequest: the prompt is too long, or something that is asked for is not there.
            Overloaded: as many wait as may, or as many new grammars are tried.
        """
        self._check(generation)
        if self._live >= self.capacity:
            raise Overloaded(f"{self.name} has {self._live} sequences under way; try again soon")
        with self.taken():
            matcher = await self._matcher(generation.grammar)
            return self._submit(self._due(generation), matcher)

    def prove(self) -> None:
        try:
            self._prove()
        except RequestError as error:
            raise ProofFailed(
                f"The model loaded, but does not answer: {error}.", _SAMPLE
            ) from error

    def close(self) -> None:
        self.engine.close()
        self._compiling.shutdown(wait=True)
        self._grammars.close()
        super().close()

    def _check(self, generation: Generation) -> None:
        length = len(generation.prompt)
        if not length:
            raise InvalidRequest("the prompt has no tokens; expected one at least", "prompt")
        if length >= self.context:
            raise InvalidRequest(
                f"the prompt has {length} tokens; this model takes {self.context} at most, prompt "
                "and answer together. Shorten it, or raise spec.generation.maxTokens",
                "messages",
                "context_length_exceeded",
            )
        wrong = [t for t in generation.prompt if not 0 <= t < self.vocabulary.size]
        if wrong:
            raise InvalidRequest(
                f"token {wrong[0]} is not in the vocabulary of {self.vocabulary.size}", "prompt"
            )
        check(generation.sampling, self.vocabulary.size)

    async def _matcher(self, grammar: Grammar | None) -> Matcher | None:
        if grammar is None:
            return None
        # A new grammar may take seconds; those that are known do not wait behind it.
        compiled = await asyncio.to_thread(self._grammars.remembered, grammar)
        return (compiled or await self._compiled(grammar)).start()

    async def _compiled(self, grammar: Grammar) -> CompiledGrammar:
        """A new grammar, tried and compiled after those that came before it."""
        if self._trying >= _MOST_TRIED:
            raise Overloaded(f"{self._trying} new grammars are being tried; try again soon")
        self._trying += 1
        loop, compile_ = asyncio.get_running_loop(), self._grammars.compile
        try:
            return await loop.run_in_executor(self._compiling, compile_, grammar)
        finally:
            self._trying -= 1

    def _submit(self, generation: Generation, matcher: Matcher | None) -> Stream:
        adapter = self._adapters.take(generation.adapter)
        stream = Stream(len(generation.prompt), lambda: self._cancel(job, reader))
        reader = _Reader(stream, lambda: self._left(adapter))
        loop = asyncio.get_running_loop()
        job = self._job(generation, adapter, matcher, reader, loop)
        try:
            self.engine.submit(job)
        except BaseException:
            self._adapters.release(adapter)
            raise
        self._live += 1
        self._enter()
        return stream

    def _job(
        self,
        generation: Generation,
        adapter: Served,
        matcher: Matcher | None,
        reader: Reader,
        loop: asyncio.AbstractEventLoop | None,
    ) -> Job:
        now = time.monotonic()
        vocabulary, prompt = self.vocabulary, generation.prompt
        stopping = generation.stopping
        scored = generation.prompt_logprobs is not None
        return Job(
            number=next(self._numbers),
            generation=generation,
            limit=self.context,
            most=max(1, SCORED_BYTES // (4 * vocabulary.size)) if scored else None,
            state=SamplingState(
                generation.sampling,
                prompt,
                vocabulary.size,
                matcher=matcher,
                end_tokens=vocabulary.end_tokens | stopping.tokens,
                min_tokens=stopping.min_tokens,
            ),
            writer=Writer(vocabulary, generation, self.context - len(prompt)),
            reader=reader,
            loop=loop,
            arrived=now,
            adapter=adapter.id,
            variant=adapter.variant,
        )

    def _cancel(self, job: Job, reader: "_Reader") -> None:
        self.engine.cancel(job)
        reader.leave()

    def _due(self, generation: Generation) -> Generation:
        """With the time by which it must have begun: its own, or the Model's if that is sooner."""
        latest = time.monotonic() + self._timeout
        return replace(generation, deadline=min(latest, generation.deadline or latest))

    def _left(self, adapter: Served) -> None:
        self._adapters.release(adapter)
        self._live -= 1
        self._leave()

    def _prove(self) -> None:
        """Generate the proof. Where no row is free, a step of those who have them is as good."""
        query = self.proof.query
        generations = self.task.encode(query)
        readers = [_Waiter() for _ in generations]
        jobs = [
            self._job(replace(one, priority=_FIRST), BASE, None, reader, None)
            for one, reader in zip(generations, readers, strict=True)
        ]
        for job in jobs:
            self.engine.submit(job)
        try:
            if all(self._answered(reader) for reader in readers):
                pairs = zip(generations, readers, strict=True)
                texts = [GeneratedText.of(one, reader.delta) for one, reader in pairs]
                check_answer(self.proof, self.task.to_tensors(self.task.decode(query, texts)))
        finally:
            for job in jobs:
                self.engine.cancel(job)

    def _answered(self, reader: "_Waiter") -> bool:
        """Whether it was; False if it had to wait while others were generated."""
        steps, since = self.engine.statistics.steps, time.monotonic()
        while not reader.done.wait(_LOOK_S):
            statistics = self.engine.statistics
            if statistics.steps > steps and statistics.running >= self.room.sequences:
                return False
            if statistics.steps == steps and time.monotonic() - since > _STUCK_S:
                raise InferenceFailed(f"the engine has not made a step for {_STUCK_S:g} s")
        if reader.error is not None:
            raise reader.error
        return True


class _Reader:
    """Hands a stream what comes, and says once that it is over."""

    def __init__(self, stream: Stream, left: Callable[[], None]) -> None:
        self._stream = stream
        self._left: Callable[[], None] | None = left

    @property
    def cached_tokens(self) -> int:
        return self._stream.cached_tokens

    @cached_tokens.setter
    def cached_tokens(self, tokens: int) -> None:
        self._stream.cached_tokens = tokens

    def push(self, delta: Delta) -> None:
        self._stream.push(delta)
        if delta.finish is not None:
            self.leave()

    def fail(self, error: RequestError) -> None:
        self._stream.fail(error)
        self.leave()

    def leave(self) -> None:
        left, self._left = self._left, None
        if left is not None:
            left()


class _Waiter:
    """A reader in another thread, which waits for the end."""

    def __init__(self) -> None:
        self.cached_tokens = 0
        self.done = threading.Event()
        self.error: RequestError | None = None
        self._deltas: list[Delta] = []

    @property
    def delta(self) -> Delta:
        return joined(self._deltas)

    def push(self, delta: Delta) -> None:
        self._deltas.append(delta)
        if delta.finish is not None:
            self.done.set()

    def fail(self, error: RequestError) -> None:
        self.error = error
        self.done.set()
