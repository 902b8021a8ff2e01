"""A decode step of the session and nothing else: what the engine cannot be faster than."""

import time
from collections.abc import Callable
from statistics import median
from typing import Any

import onnxruntime as ort

from shoal_serving.generate.runner import Runner, _Binding
from shoal_serving.generate.scheduler import Run

HAVE = 40
WARM = 5


def measure_bare(runner: Runner, rows: int, steps: int) -> dict[str, float]:
    """The medians of so many `steps`, in seconds, with more and more of what a step takes."""
    bound = _Binding(runner, 0, rows)
    bound._shape(1, rows, 0)
    places = [(row, 0) for row in range(rows)]
    bound._fill(Run(0, (1,) * rows), [[300]] * rows, [HAVE] * rows, places)
    binding, session = bound._binding, runner.decoder.session
    held = _all_there(runner, bound, rows)

    def run() -> None:
        session.run_with_iobinding(binding)

    def run_with_feeds() -> None:
        bound._bind_feeds()
        session.run_with_iobinding(binding)

    found = {"device": _seconds(run, steps)}
    bound._bind_logits(1, rows)
    found["logits"] = _seconds(run, steps)
    found["feeds"] = _seconds(run_with_feeds, steps)
    del held
    return found


def _all_there(runner: Runner, bound: _Binding, rows: int) -> list[Any]:
    """Bind the logits, and all feeds but the scalar, where the session computes."""
    device = runner.cache.device
    held = []
    for name, values in bound._feeds.items():
        if values.ndim:
            held.append(ort.OrtValue.ortvalue_from_numpy(values, device, 0))
            bound._binding.bind_ortvalue_input(name, held[-1])
    decoder = runner.decoder
    shape = [rows, decoder.vocabulary]
    held.append(ort.OrtValue.ortvalue_from_shape_and_type(shape, decoder.logits, device, 0))
    bound._binding.bind_ortvalue_output("logits", held[-1])
    return held


def _seconds(run: Callable[[], None], steps: int) -> float:
    seconds = []
    for _ in range(WARM + steps):
        began = time.perf_counter()
        run()
        seconds.append(time.perf_counter() - began)
    return median(seconds[WARM:])
