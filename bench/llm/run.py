"""One run: the engines of a model in a precision side by side, then what only ours can be asked.

In a round every engine is measured once at each number of prompts, in a shuffled order; so engines
are compared with what ran within the same few seconds.
"""

import random
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bench import machine
from bench.environments import EnvironmentFailed
from bench.llm import work
from bench.llm.contestants import (
    CONTESTANTS,
    FP32,
    INT4,
    THREADS,
    Model,
    models,
    ours,
    pinned,
)
from bench.llm.engine import Engine, EngineFailed
from bench.llm.report import Results, Row, Sample, document, sample
from bench.llm.serving import Serving
from bench.llm.work import Work
from bench.processes import StartFailed

ROWS = (1, 4, 16, 32)
MIXED, GROUP = 64, 16
STREAMS = (16, 32)
# Tokens that must be the same everywhere in float32.
SAME = 8
# Ends a text, in both models.
END = 2
# So many tokens of every stream, where the HTTP layer is looked at.
STREAMED = 64


def measure(rounds: int, scratch: Path) -> Row:
    """The document of a run."""
    described, everyone = _described(), models()
    return document(Run(rounds, scratch).everything(everyone), everyone, described)


def _described() -> dict[str, Any]:
    names = ("onnxruntime-genai", "llama-cpp-python", "transformers", "torch")
    return {**machine.describe([]), "threads": THREADS, "engines": " + ".join(pinned(names))}


class Run:
    """Holds what every step needs; `everything` is the steps in order."""

    def __init__(self, rounds: int, scratch: Path) -> None:
        self._rounds = rounds
        self._scratch = scratch
        self._order = random.Random(0)
        self._results = Results()

    def everything(self, everyone: Sequence[Model]) -> Results:
        self._limits()
        for model in everyone:
            for precision in (FP32, INT4):
                self._tell(f"{model.name} in {precision}")
                with self._engines(model, precision) as engines:
                    self._batches(model, precision, engines)
                    self._alone(model, precision, engines["ours"])
        for model in everyone:
            self._tell(f"{model.name}: answers of different lengths")
            self._mixed(model)
        for model in everyone:
            self._tell(f"{model.name} over HTTP")
            self._streamed(model)
        self._limits()
        return self._results

    @contextmanager
    def _engines(
        self, model: Model, precision: str, names: Sequence[str] | None = None
    ) -> Iterator[dict[str, Engine]]:
        """Those that could be started; ours must."""
        started: dict[str, Engine] = {}
        try:
            for who in CONTESTANTS:
                if precision not in who.precisions or (names and who.name not in names):
                    continue
                try:
                    log = self._scratch / f"{who.name}-{model.name}-{precision}"
                    started[who.name] = who.start(who, model, precision, log)
                except (EnvironmentFailed, EngineFailed) as failed:
                    if who.name == "ours":
                        raise
                    self._results.problem(f"{who.name} {model.name} {precision}", failed)
            yield started
        finally:
            for engine in started.values():
                engine.stop()

    def _batches(self, model: Model, precision: str, engines: dict[str, Engine]) -> None:
        self._check(model, precision, engines)
        for engine in engines.values():
            for rows in ROWS:
                self._measured(engine, work.uniform(rows, 4, -1))
        for number in range(self._rounds):
            for rows in ROWS:
                asked = work.uniform(rows, model.new, number)
                for engine in self._shuffled(list(engines.values())):
                    measured = self._measured(engine, asked)
                    self._results.batches[model.name, precision, rows][engine.name].append(measured)
        for engine in engines.values():
            self._weigh(model, precision, engine)

    def _weigh(self, model: Model, precision: str, engine: Engine) -> None:
        try:
            self._results.memory[model.name, precision][engine.name] = engine.ask("memory")
        except EngineFailed as failed:
            self._results.problem(f"{engine.name} {model.name} {precision}", failed)

    def _check(self, model: Model, precision: str, engines: dict[str, Engine]) -> None:
        """All engines must say the same in float32; rounded weights are rounded in other ways."""
        if precision != FP32:
            return
        asked = work.uniform(1, SAME, -2)
        answers = {name: self._asked(engine, asked) for name, engine in engines.items()}
        said = {name: answer["tokens"][0] for name, answer in answers.items() if answer}
        expected = _until_end(said["ours"])
        for name, tokens in said.items():
            if tokens[: len(expected)] != expected:
                self._results.problem(f"{name} {model.name}", f"says {tokens}, not {expected}")

    def _alone(self, model: Model, precision: str, engine: Engine) -> None:
        """What is asked of ours only."""
        results, cell = self._results, (model.name, precision)
        asked = work.uniform(1, model.new, -3)
        seconds = engine.ask("drafting", prompts=asked.prompts, new=asked.new)
        results.drafting[cell] = asked.tokens / seconds
        for rows in (1, 16):
            found = [
                engine.ask("overhead", rows=rows, steps=model.new + number)
                for number in range(self._rounds)
            ]
            results.overhead[*cell, rows] = min(found, key=lambda one: float(one["step"]))
        if precision != FP32:
            return
        results.prefix[model.name] = [engine.ask("prefix", seed=n) for n in range(3)]
        results.interrupted[model.name] = [
            engine.ask("interrupted", seed=n) for n in range(self._rounds)
        ]
        results.sampler = engine.ask("sampler")

    def _mixed(self, model: Model) -> None:
        """64 at once: rows of ours are filled again as they end, a static batch waits for all."""
        own = ours(model, FP32, self._scratch / f"ours-16-{model.name}", str(GROUP))
        try:
            with self._engines(model, FP32, ["genai"]) as engines:
                ways: dict[str, Callable[[Work], Sample | None]] = {
                    "ours": lambda asked: self._measured(own, asked)
                }
                if "genai" in engines:
                    ways["genai"] = lambda asked: self._static(engines["genai"], asked)
                for number in range(self._rounds):
                    asked = work.mixed(MIXED, number)
                    for name in self._shuffled(list(ways)):
                        self._results.mixed[model.name][name].append(ways[name](asked))
        finally:
            own.stop()

    def _static(self, engine: Engine, asked: Work) -> Sample | None:
        """One group after the other; a group's texts come when its longest has ended."""
        began, times = 0.0, []
        for first in range(0, len(asked.prompts), GROUP):
            group = slice(first, first + GROUP)
            answer = self._asked(engine, Work(asked.prompts[group], asked.new[group]))
            if answer is None:
                return None
            times += [[began + when for when in text] for text in answer["times"]]
            began = max(text[-1] for text in times)
        return sample(times)

    def _streamed(self, model: Model) -> None:
        engine = ours(model, FP32, self._scratch / f"ours-http-{model.name}")
        try:
            serving = Serving(model, self._scratch / f"shoal-{model.name}")
        except (StartFailed, EngineFailed) as failed:
            self._results.problem(f"shoal up {model.name}", failed)
            engine.stop()
            return
        try:
            for number in range(-1, self._rounds):
                for streams in STREAMS:
                    self._pair(model, engine, serving, streams, number)
        finally:
            serving.stop()
            engine.stop()

    def _pair(
        self, model: Model, engine: Engine, serving: Serving, streams: int, number: int
    ) -> None:
        """The engine alone and over HTTP, one after the other; the round -1 is a warm-up."""
        asked = work.uniform(streams, STREAMED, f"http {number}")
        for name in self._shuffled(["engine", "http"]):
            if name == "engine":
                measured = self._measured(engine, asked)
            else:
                serving.tree.thaw()
                measured = self._measured(serving.client, asked)
                serving.tree.freeze()
            if number >= 0:
                self._results.http[model.name, streams][name].append(measured)

    def _limits(self) -> None:
        """At the beginning and at the end; the better one counts, as everywhere."""
        self._tell("the machine")
        limit = Engine("limit", Path(sys.executable), "limit", [THREADS], self._scratch / "limit")
        try:
            for precision in (FP32, INT4):
                for columns in (*ROWS, 512):
                    seconds = limit.ask("products", precision=precision, columns=columns)
                    known = self._results.products.get((precision, columns), seconds)
                    self._results.products[precision, columns] = min(known, seconds)
        finally:
            limit.stop()

    def _measured(self, engine: Engine, asked: Work) -> Sample | None:
        answer = self._asked(engine, asked)
        return None if answer is None else sample(answer["times"])

    def _asked(self, engine: Engine, asked: Work) -> dict[str, Any] | None:
        try:
            answer: dict[str, Any] = engine.ask("batch", prompts=asked.prompts, new=asked.new)
        except EngineFailed as failed:
            self._results.problem(f"{engine.name} of {len(asked.prompts)}", failed)
            return None
        if [len(text) for text in answer["times"]] != asked.new:
            self._results.problem(engine.name, "did not generate as many tokens as it should")
            return None
        return answer

    def _shuffled(self, those: list[Any]) -> list[Any]:
        return self._order.sample(those, len(those))

    def _tell(self, text: str) -> None:
        print(text, file=sys.stderr, flush=True)


def _until_end(tokens: list[int]) -> list[int]:
    """Some forbid the end token where they are to go on, and others do not."""
    return tokens[: tokens.index(END)] if END in tokens else tokens
