"""The first run of a decoder: what does not work ends here, and what a run takes is seen."""

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

from shoal.errors import InferenceFailed, MemoryExceeded, MemoryUsedUp, ProofFailed
from shoal_serving.backends.exhaustion import ROOM
from shoal_serving.device import Device
from shoal_serving.generate.adapters import AdapterStacks
from shoal_serving.generate.decoder import Decoder
from shoal_serving.generate.pace import MOST
from shoal_serving.generate.runner import Runner
from shoal_serving.generate.scheduler import Run
from shoal_serving.loading.rows import open_rows

_ROOM = f"{ROOM}; or lower spec.generation.maxSequences."
_ACTION = "Export the checkpoint again, or serve another precision of it."


def run_trial(
    decoder: Decoder, stacks: AdapterStacks, context: int, device: Device = Device.CPU
) -> None:
    """Run as many tokens of a prompt as ever run together, and then one more.

    Raises:
        MemoryExceeded: there is not enough for it.
        ProofFailed: that failed, or the logits are not finite.
    """
    tokens = min(MOST, decoder.chunk or MOST, context - 1)
    runner = Runner(decoder, open_rows(decoder.layout, 1, tokens + 1, device), stacks)
    with _failing():
        runner.run(Run(0, (tokens,)), [[0] * tokens], [0], [(0, tokens - 1)])
        logits = runner.run(Run(0, (1,)), [[0]], [tokens], [(0, 0)])
    if not np.isfinite(logits).all():
        raise ProofFailed("The model loaded, but its logits are not finite.", _ACTION)


def run_all_rows(runner: Runner) -> None:
    """Run one token of every row, the last that it has room for: the most of a GPU's share that
    those who generate ever take, so that nobody's answer ends where it is not enough.

    Raises:
        MemoryExceeded: there is not enough for it.
        ProofFailed: that failed.
    """
    rows, last = runner.cache.rows, runner.cache.capacity - 1
    with _failing():
        runner.run(
            Run(0, (1,) * rows), [[0]] * rows, [last] * rows, [(row, 0) for row in range(rows)]
        )


@contextmanager
def _failing() -> Iterator[None]:
    try:
        yield
    except MemoryUsedUp as error:
        raise MemoryExceeded(f"The model loaded, but does not run: {error}.", _ROOM) from error
    except InferenceFailed as error:
        raise ProofFailed(f"The model loaded, but does not run: {error}.", _ACTION) from error
