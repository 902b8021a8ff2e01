"""Telling whoever waits."""

import sys


def say(text: str) -> None:
    """One line to the standard error: the standard output may be for a shell to read."""
    print(f"cluster: {text}", file=sys.stderr, flush=True)
