"""What every engine's process does: load, say that it is ready, answer one line after the other.

Knows the standard library only. The answer is the last line of a call that begins with `ANSWER`;
whatever else a library prints is no concern.
"""

import json
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol

ANSWER = "@answer "
Tokens = Sequence[int]
Calls = dict[str, Callable[..., Any]]


class Engine(Protocol):
    """`calls` are what it can be asked beside `batch` and `memory`."""

    calls: Calls

    def batch(self, prompts: Sequence[Tokens], new: Sequence[int]) -> list[list[tuple[float, int]]]:
        """Generate so many new tokens behind each prompt, all at once, greedily, whatever they are.

        For each prompt the time (time.perf_counter) and id of every token that came.
        """


def serve(load: Callable[..., Engine]) -> None:
    """Call `load` with the arguments of the command line, and answer standard input."""
    before = pss()
    engine = load(*sys.argv[1:])
    calls: Calls = {
        "batch": lambda **asked: batch(engine, **asked),
        "memory": lambda: pss() - before,
        **engine.calls,
    }
    _say({"ready": True})
    for line in sys.stdin:
        asked = json.loads(line)
        try:
            _say({"value": calls[asked.pop("call")](**asked)})
        except Exception as error:
            traceback.print_exc()
            _say({"error": f"{type(error).__name__}: {error}"[:300]})


def batch(engine: Engine, prompts: Sequence[Tokens], new: Sequence[int]) -> dict[str, Any]:
    """Times are seconds since all began."""
    began = time.perf_counter()
    texts = engine.batch(prompts, new)
    return {
        "times": [[when - began for when, _ in text] for text in texts],
        "tokens": [[token for _, token in text] for text in texts],
    }


def pss() -> float:
    """This process's proportional set size in MiB."""
    lines = Path("/proc/self/smaps_rollup").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("Pss:")) / 1024


def _say(answer: Any) -> None:
    sys.stdout.write(f"{ANSWER}{json.dumps(answer)}\n")
    sys.stdout.flush()
