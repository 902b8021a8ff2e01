"""Shoal's engine: the model that a replica loads, driven on an event loop as the HTTP layer does.

Beside batches it is asked what others have no word for: prefixes that are known, a long prompt
among others' streams, and what of a step is not ONNX Runtime's.
"""

import asyncio
import itertools
import time
from collections.abc import Coroutine, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import Any, TypeVar

import numpy as np
import uvloop

from bench.llm.engines.bare import measure_bare
from bench.llm.engines.worker import Calls, Tokens, serve
from bench.llm.work import tokens
from shoal.api.model import (
    Backend,
    Batching,
    OnnxRuntime,
    Precision,
    Source,
    Task,
)
from shoal.api.model import Generation as Limits
from shoal.api.quantity import Quantity
from shoal.api.runtime import ModelRevision
from shoal_serving.artifacts import Cache
from shoal_serving.generate.model import GenerativeModel
from shoal_serving.generate.request import Generation, Sampling, Stopping
from shoal_serving.generate.sampling.sampler import Sampler
from shoal_serving.generate.sampling.state import SamplingState
from shoal_serving.loading import Place, load_model

T = TypeVar("T")
Text = list[tuple[float, int]]
LONG = 900
SHARED, OWN = 256, 16
STREAMS = 8
# Tokens of each stream before the long prompt comes.
SETTLED = 64
VOCABULARY = 128_256  # Llama 3's
GREEDY = Sampling(temperature=0)
SAMPLINGS = {
    "greedy": GREEDY,
    "temperature 0.8": Sampling(temperature=0.8),
    "temperature 0.8, top_p 0.95": Sampling(temperature=0.8, top_p=0.95),
    "temperature 0.8, top_k 50": Sampling(temperature=0.8, top_k=50),
    "temperature 0.8, repetition_penalty 1.1": Sampling(temperature=0.8, repetition_penalty=1.1),
}


class Ours:
    def __init__(
        self,
        folder: str,
        precision: str,
        threads: str,
        sequences: str,
        cache: str,
        device: str = "cpu",
    ) -> None:
        revision = ModelRevision(
            generation=1,
            task=Task.TEXT_GENERATION,
            source=Source(uri=Path(folder).as_uri()),
            backend=Backend(onnx_runtime=OnnxRuntime()),
            batching=Batching(max_queue_size=1000),
            precision=Precision(precision),
            text_generation=Limits(
                max_sequences=int(sequences), max_tokens=1024, prefix_cache=Quantity("256Mi")
            ),
        )
        place = Place(Cache(Path(cache)), int(threads), None, gpu=device == "cuda")
        model = load_model("model", revision, place, lambda *_: None)
        assert isinstance(model, GenerativeModel)
        self._model = model
        self.calls: Calls = {
            "drafting": self.drafting,
            "prefix": self.prefix,
            "interrupted": self.interrupted,
            "overhead": self.overhead,
            "bare": self.bare,
            "sampler": self.sampler,
        }

    def batch(self, prompts: Sequence[Tokens], new: Sequence[int]) -> list[Text]:
        """Without drafts, so that everyone runs the same steps."""
        with self._plain():
            return self._all(prompts, new)

    def drafting(self, prompts: Sequence[Tokens], new: Sequence[int]) -> float:
        """Seconds for the same with drafts."""
        began = time.perf_counter()
        self._all(prompts, new)
        return time.perf_counter() - began

    def prefix(self, seed: int) -> dict[str, float]:
        """Seconds to the first token of 272, when 256 of them are new and when they are known."""
        shared = tokens(SHARED, f"shared {seed}")
        once = [[*shared, *tokens(OWN, f"own {seed} {number}")] for number in range(5)]
        first = [self._seconds(prompt) for prompt in once]
        return {"miss": first[0], "hit": min(first[1:])}

    def interrupted(self, seed: int) -> dict[str, float]:
        """What 8 streams feel of a prompt of 900 tokens, in seconds between their tokens."""
        with self._plain():
            return _run(self._interrupted(seed))

    def overhead(self, rows: int, steps: int) -> dict[str, float]:
        """A decode step, and the part of it that is inside ONNX Runtime, in seconds."""
        prompts = [tokens(SHARED // 16, f"overhead {rows} {row} {steps}") for row in range(rows)]
        with self._plain(), self._timed() as runs:
            self._all(prompts, [steps] * rows)
        # The last steps, when all decode: from the end of one run to the end of the next one.
        whole = [later[1] - earlier[1] for earlier, later in itertools.pairwise(runs)]
        inside = [end - start for start, end in runs[1:]]
        half = len(whole) // 2
        return {"step": median(whole[half:-1]), "run": median(inside[half:-1])}

    def bare(self, rows: int, steps: int) -> dict[str, float]:
        """Seconds of a step of the session alone, behind 40 tokens: `device` with all that goes in
        and out where it computes, `logits` when those come here, `feeds` when what is new goes
        there too. Nobody may generate meanwhile.
        """
        return measure_bare(self._model.engine.runner, rows, steps)

    def sampler(self) -> dict[str, float]:
        """Seconds to pick a row's token among 128 256, by how it is picked."""
        logits = np.random.default_rng(0).standard_normal((1, VOCABULARY), np.float32) * 4
        sampler = Sampler(VOCABULARY)
        return {name: _cost(sampler, logits, one) for name, one in SAMPLINGS.items()}

    def _all(self, prompts: Sequence[Tokens], new: Sequence[int]) -> list[Text]:
        async def run() -> list[Text]:
            pairs = zip(prompts, new, strict=True)
            return list(await asyncio.gather(*(self._one(*pair) for pair in pairs)))

        return _run(run())

    async def _one(self, prompt: Tokens, new: int) -> Text:
        stopping = Stopping(max_tokens=new, ignore_eos=True)
        stream = await self._model.start(Generation(tuple(prompt), GREEDY, stopping))
        text: Text = []
        async for delta in stream:
            now = time.perf_counter()
            text += [(now, token) for token in delta.tokens]
        return text

    def _seconds(self, prompt: Tokens) -> float:
        began = time.perf_counter()
        ((when, _),) = self._all([prompt], [1])[0]
        return when - began

    async def _interrupted(self, seed: int) -> dict[str, float]:
        stopping = Stopping(ignore_eos=True)
        streams = [
            await self._model.start(
                Generation(tuple(tokens(32, f"{seed} {row}")), GREEDY, stopping)
            )
            for row in range(STREAMS)
        ]
        times: list[list[float]] = [[] for _ in streams]

        settled = asyncio.Event()

        async def note(row: int) -> None:
            async for _ in streams[row]:
                times[row].append(time.perf_counter())
                if min(map(len, times)) >= SETTLED:
                    settled.set()

        readers = [asyncio.create_task(note(row)) for row in range(STREAMS)]
        await settled.wait()
        began = time.perf_counter()
        await self._one(tokens(LONG, f"long {seed}"), 1)
        ended = time.perf_counter()
        await asyncio.sleep(0.2)
        for stream, reader in zip(streams, readers, strict=True):
            stream.cancel()
            reader.cancel()
        before = _gaps(times, max(stream[SETTLED // 4] for stream in times), began)
        during = _gaps(times, began, ended)
        return {
            "step": median(before),
            "before": _percentile(before, 99),
            "during": _percentile(during, 99),
            "worst": max(during),
            "prompt": ended - began,
        }

    @contextmanager
    def _plain(self) -> Iterator[None]:
        """No drafts."""
        speculator: Any = self._model.engine._speculator
        speculator.worthwhile = lambda: False
        try:
            yield
        finally:
            del speculator.worthwhile

    @contextmanager
    def _timed(self) -> Iterator[list[tuple[float, float]]]:
        """The begin and end of every run of the session."""
        runner = self._model.engine.runner
        plain = runner.decoder
        session = _Timed(plain.session)
        _swap(runner, replace(plain, session=session))
        try:
            yield session.runs
        finally:
            _swap(runner, plain)


def _run(work: Coroutine[Any, Any, T]) -> T:
    """On the event loop that a replica has."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(work)


class _Timed:
    """A session that notes when it runs."""

    def __init__(self, session: Any) -> None:
        self._session = session
        self.runs: list[tuple[float, float]] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._session, name)

    def run_with_iobinding(self, binding: Any) -> None:
        began = time.perf_counter()
        self._session.run_with_iobinding(binding)
        self.runs.append((began, time.perf_counter()))


def _swap(runner: Any, decoder: Any) -> None:
    runner.decoder = decoder
    runner._bindings.clear()


def _gaps(times: list[list[float]], began: float, ended: float) -> list[float]:
    """Between two tokens of a stream of which the second came in that time."""
    return [
        later - earlier
        for stream in times
        for earlier, later in itertools.pairwise(stream)
        if began < later <= ended
    ]


def _percentile(values: list[float], of: int) -> float:
    return sorted(values)[min(len(values) - 1, len(values) * of // 100)]


def _cost(sampler: Sampler, logits: Any, sampling: Sampling) -> float:
    state = SamplingState(sampling, range(100), VOCABULARY)
    seconds = []
    for _ in range(30):
        began = time.perf_counter()
        (sampled,) = sampler.sample(logits, [state])
        seconds.append(time.perf_counter() - began)
        state.accept(sampled.token)
    return median(seconds)


if __name__ == "__main__":
    serve(Ours)
