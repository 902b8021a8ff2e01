"""Waiting for what comes in its own time: a condition and a deadline."""

import time
from collections.abc import Callable
from typing import TypeVar

PATIENCE_S = 60.0
PAUSE_S = 0.1

Found = TypeVar("Found")


def eventually(
    check: Callable[[], Found],
    what: str = "what is waited for",
    patience_s: float = PATIENCE_S,
    tell: Callable[[], str] = str,
    pause_s: float = PAUSE_S,
) -> Found:
    """What `check` gives once that is true. If it never is, `tell` says more."""
    deadline = time.monotonic() + patience_s
    while not (found := check()):
        assert time.monotonic() < deadline, f"not within {patience_s:.0f} s: {what}\n{tell()}"
        time.sleep(pause_s)
    return found
