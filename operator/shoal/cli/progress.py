"""One line on a terminal that says how far something is, and is gone when it is done.

Where nobody watches (no terminal on stderr) nothing is written at all.
"""

import os
import shutil
import sys

from shoal.api import Condition, ConditionType, Fleet, Model

_ORDER = (
    ConditionType.ACCEPTED,
    ConditionType.PLACED,
    ConditionType.PROVISIONED,
    ConditionType.LOADED,
    ConditionType.READY,
)
_REWRITE = "\r\x1b[K"


class Progress:
    """The line. Use it as a context, so that it is gone at the end."""

    def __init__(self) -> None:
        self._live = sys.stderr.isatty() and os.environ.get("TERM") != "dumb"

    def __enter__(self) -> "Progress":
        return self

    def __exit__(self, *_: object) -> None:
        self.show("")

    def show(self, text: str) -> None:
        """Put a text in the place of the last one."""
        if self._live:
            width = shutil.get_terminal_size().columns - 1
            sys.stderr.write(_REWRITE + text[:width])
            sys.stderr.flush()


def step(resource: Model | Fleet) -> str:
    """`alarm-triage  Loading  fetch 12.3/45.6 MiB`."""
    blocking = blocker(resource)
    if blocking is None:
        return _called(resource)
    return "  ".join((_called(resource), blocking.reason, blocking.message)).rstrip()


def _called(resource: Model | Fleet) -> str:
    name = resource.metadata.name
    return f"Fleet {name}" if isinstance(resource, Fleet) else name


def blocker(resource: Model | Fleet) -> Condition | None:
    """The first condition, in the order in which they come true, that is not true yet."""
    conditions = {one.type: one for one in resource.status.conditions}
    ordered = (conditions.get(kind) for kind in _ORDER)
    return next((one for one in ordered if one and one.status != "True"), None)
