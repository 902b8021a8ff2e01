"""One run: the steps in order, in one world that grows."""

import asyncio
import itertools
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from audited import Audited

from bench.control.crowd import Applicant, Size, Who, fleet_names, models_of
from bench.control.measured import NAMESPACE, Counts, Measured, now, running
from bench.control.onlooker import Onlooker, watching
from bench.control.report import Applied, Change, Forced, Rest, Results
from shoal.cluster.kube import connect

# Where a folder is named here, cProfile's statistics of each operator are written to it.
PROFILE = "SHOAL_BENCH_PROFILE"
# Nothing was written for so long: all is at rest.
QUIET_S = 4.0
QUIET_MOST_S = 300.0
# Between two changes, so that none is paced for the sake of the one before.
BETWEEN_S = 3.0
REDO_MOST_S = 900.0


@dataclass(frozen=True)
class Options:
    """`size` is applied at first, and `times` as much is there at rest."""

    size: Size
    times: int
    rest_s: float
    changes: int
    resync: str
    """How often the operator that finds everything as it is looks at it all."""


def measure(options: Options, scratch: Path) -> Results:
    """Everything."""
    with Audited(controller_manager=False) as plane:
        plane.install_shoal_crds()
        plane.install_kuberay_crds()
        plane.kubectl("create", "namespace", NAMESPACE)
        with _stand_in(plane) as proxy:
            return asyncio.run(Run(options, plane, proxy, scratch).everything())


class Run:
    """Holds what every step needs."""

    def __init__(self, options: Options, plane: Audited, proxy: str, scratch: Path) -> None:
        self._options = options
        self._plane = plane
        self._proxy = proxy
        self._scratch = scratch
        self._models: list[Who] = []
        self._fleets: list[str] = []
        self._numbers = itertools.count(1)

    async def everything(self) -> Results:
        options, whole = self._options, self._options.size.times(self._options.times)
        async with connect(self._plane.kubeconfig) as api, watching(api) as onlooker:
            applicant = Applicant(api)
            with self._operator("10m") as measured:
                _tell(f"{options.size} are applied")
                first = await self._apply(applicant, onlooker, options.size)
                _tell(f"{whole} come to rest")
                for _ in range(options.times - 1):
                    await self._apply(applicant, onlooker, options.size)
                await _quiet(measured)
                rest = await self._rest(measured)
                _tell(f"{options.changes} changes among {whole}")
                changes = [await self._change(applicant, onlooker) for _ in range(options.changes)]
                await _quiet(measured)
            _tell("another operator finds everything as it is")
            began = now()
            with self._operator(options.resync) as measured:
                forced = await self._redo(measured, began)
        return Results(options.size, whole, first, rest, changes, forced)

    @contextmanager
    def _operator(self, resync: str) -> Iterator[Measured]:
        number, folder = next(self._numbers), os.environ.get(PROFILE)
        profile = Path(folder) / f"operator-{number}.prof" if folder else None
        log = self._scratch / f"operator-{number}.log"
        with running(self._plane, self._proxy, log, resync, profile) as measured:
            yield measured

    async def _apply(self, applicant: Applicant, onlooker: Onlooker, size: Size) -> Applied:
        """The Fleets first, and right after them their Models."""
        fleets = fleet_names(size, before=len(self._fleets))
        models = models_of(size, fleets)
        self._fleets += fleets
        self._models += models
        first = time.monotonic()
        await applicant.fleets(fleets)
        await applicant.models(models)
        last = time.monotonic()
        told, ready = await asyncio.gather(
            onlooker.until_told(models), onlooker.until_ready(models)
        )
        return Applied(last - first, told - last, ready - last)

    async def _rest(self, measured: Measured) -> Rest:
        """Memory is the most of the whole time."""
        began, before, spent = now(), measured.counts(), measured.seconds()
        sizes, end = [measured.megabytes()], time.monotonic() + self._options.rest_s
        start = time.monotonic()
        while time.monotonic() < end:
            await asyncio.sleep(min(1.0, self._options.rest_s))
            sizes.append(measured.megabytes())
        seconds = time.monotonic() - start
        spent, counted = measured.seconds() - spent, measured.counts().since(before)
        written = dict(measured.written_since(began))
        return Rest(seconds, max(sizes), spent / seconds, counted, written)

    async def _change(self, applicant: Applicant, onlooker: Onlooker) -> Change:
        """Of one Model, each time another one's."""
        who = self._models[(next(self._numbers) * 7919) % len(self._models)]
        generation = onlooker.ready[who.key] + 1
        began = time.monotonic()
        await applicant.change(who, f"https://models.example/{who.key}-{generation}.onnx")
        told, ready = await asyncio.gather(
            onlooker.until_told([who], generation), onlooker.until_ready([who], generation)
        )
        await asyncio.sleep(BETWEEN_S)
        return Change(told - began, ready - began)

    async def _redo(self, measured: Measured, began: datetime) -> Forced:
        """Twice: whoever starts looks at everything, and again within the interval."""
        deadline = time.monotonic() + REDO_MOST_S
        while not _twice(counted := measured.counts(), self._models, self._fleets):
            if time.monotonic() > deadline:
                raise TimeoutError(f"not all was looked at twice: {counted}")
            await asyncio.sleep(1.0)
        await _quiet(measured)
        return Forced(measured.counts(), dict(measured.written_since(began)))


def _twice(counted: Counts, models: Sequence[Who], fleets: Sequence[str]) -> bool:
    return counted.models >= 2 * len(models) and counted.fleets >= 2 * len(fleets)


async def _quiet(measured: Measured) -> None:
    """Return once nothing was written for a while."""
    before, since, end = -1, time.monotonic(), time.monotonic() + QUIET_MOST_S
    while time.monotonic() - since < QUIET_S:
        if time.monotonic() > end:
            raise TimeoutError(f"the operator still writes after {QUIET_MOST_S:.0f} s")
        await asyncio.sleep(0.5)
        if (written := measured.counts().writes) != before:
            before, since = written, time.monotonic()


@contextmanager
def _stand_in(plane: Audited) -> Iterator[str]:
    """The address of its proxy."""
    command = [sys.executable, "-m", "bench.control.stand_in"]
    kubeconfig = plane.kubeconfig_of_user("kuberay", "system:masters")
    with subprocess.Popen([*command, kubeconfig], stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            if not (proxy := process.stdout.readline().strip()):
                raise RuntimeError("the stand-in for KubeRay did not start")
            yield proxy
        finally:
            process.terminate()


def _tell(words: str) -> None:
    print(f"... {words}", file=sys.stderr, flush=True)
