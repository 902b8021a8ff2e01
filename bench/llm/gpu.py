"""On a GPU: ours and transformers beside what the session alone can do.

`python -m bench.llm.gpu FOLDER` with a checkpoint (`python -m bench.llm.checkpoint` writes some),
in an environment with onnxruntime-gpu, PyTorch and transformers. It prints what is measured.
"""

import random
import sys
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

from bench.llm import work
from bench.llm.engine import Engine, EngineFailed

ROWS = (1, 8, 32)
NEW = 64
ROUNDS = 3
STEPS = 60
# The processor's, of which little is asked.
THREADS = "2"


def measure(folder: str, device: str, scratch: Path) -> None:
    engines = _started(folder, device, scratch)
    try:
        for name, engine in engines.items():
            for rows in ROWS:
                engine.ask("batch", **vars(work.uniform(rows, NEW, -1)))
                if name != "transformers":
                    _tell_limit(name, engine, rows)
        for rows in ROWS:
            _tell_speeds(engines, rows)
        for number in range(ROUNDS):
            seconds = engines["ours auto"].ask("interrupted", seed=number)
            print("a long prompt beside 8 streams, ms:", _milliseconds(seconds), flush=True)
    finally:
        for engine in engines.values():
            engine.stop()


def _started(folder: str, device: str, scratch: Path) -> dict[str, Engine]:
    """Those that could be started; ours must."""
    python, cache = Path(sys.executable), str(scratch / "cache")
    engines = {}
    for precision in ("auto", "int4"):
        arguments = [folder, precision, THREADS, str(max(ROWS)), cache, device]
        name = f"ours {precision}"
        engines[name] = Engine(name, python, "ours", arguments, scratch / name)
    try:
        arguments = [folder, THREADS, device]
        log = scratch / "transformers"
        engines["transformers"] = Engine("transformers", python, "huggingface", arguments, log)
    except EngineFailed as failed:
        print("transformers:", failed, file=sys.stderr)
    return engines


def _tell_limit(name: str, engine: Engine, rows: int) -> None:
    alone = engine.ask("bare", rows=rows, steps=STEPS)
    step = engine.ask("overhead", rows=rows, steps=NEW)
    limit = rows / alone["device"]
    print(
        f"{name}, {rows}: a step in ms: {_milliseconds(alone | step)}; {limit:.0f} tokens/s alone"
    )


def _tell_speeds(engines: dict[str, Engine], rows: int) -> None:
    """In a round each is measured once, in a shuffled order."""
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in engines}
    for number in range(ROUNDS):
        asked = work.uniform(rows, NEW, number)
        for name in random.sample(list(engines), len(engines)):
            times = engines[name].ask("batch", **vars(asked))["times"]
            found[name].append((_rate(times), median(text[0] for text in times)))
    for name, samples in found.items():
        rate, first = (median(values) for values in zip(*samples, strict=True))
        print(f"{name}, {rows}: {rate:.0f} tokens/s, first after {first * 1e3:.1f} ms", flush=True)


def _rate(times: list[list[float]]) -> float:
    """Tokens a second from when all have their first one."""
    began, ended = max(text[0] for text in times), max(text[-1] for text in times)
    return sum(when > began for text in times for when in text) / (ended - began)


def _milliseconds(seconds: dict[str, Any]) -> dict[str, float]:
    return {name: round(value * 1e3, 2) for name, value in seconds.items()}


if __name__ == "__main__":
    checkpoint, where = str(Path(sys.argv[1]).absolute()), (sys.argv[2:] or ["cuda"])[0]
    with TemporaryDirectory() as made:
        measure(checkpoint, where, Path(made))
