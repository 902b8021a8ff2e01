"""What the control plane says while it runs: one JSON object a line, for programs that read logs.

Every record has `time`, `level`, `logger` and `message`; those said within `speaking_of`, or with
`extra`, have `object`, `generation` and `reason` besides. A traceback is there for our own mistakes
only: those that were logged with `exc_info`.
"""

import json
import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any

_subject: ContextVar[dict[str, Any]] = ContextVar("subject")
_FIELDS = ("object", "generation", "reason")
# They tell of every request, and of headers.
_TALKATIVE = ("aiohttp", "asyncio", "httpcore", "httpx", "kubernetes", "urllib3")


@contextmanager
def speaking_of(**fields: Any) -> Iterator[None]:
    """Records of this task carry these fields, until the block ends."""
    token = _subject.set({**_subject.get({}), **fields})
    try:
        yield
    finally:
        _subject.reset(token)


class JsonLines(logging.Formatter):
    """A record as one line of JSON."""

    def format(self, record: logging.LogRecord) -> str:
        said: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        known = {**_subject.get({}), **record.__dict__}
        said |= {field: known[field] for field in _FIELDS if known.get(field) is not None}
        if record.exc_info:
            said["traceback"] = self.formatException(record.exc_info)
        return json.dumps(said, ensure_ascii=False, default=str)


def log_json(level: str) -> None:
    """From here on this process logs to stderr, from `level` on (`debug`, `info`, ...)."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    for name in _TALKATIVE:
        logging.getLogger(name).setLevel(max(logging.WARNING, root.level))
