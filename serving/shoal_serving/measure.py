"""Memory as the kernel counts it for this process: what a load added, and its highest point.

Source: proc(5). `VmRSS` is what is resident, `VmHWM` its highest since the mark was last reset by
writing 5 to `clear_refs`. On a kernel that forbids the reset only a new highest point is one.
"""

import contextlib
import ctypes
import gc
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_STATUS = Path("/proc/self/status")
_CLEAR_REFS = Path("/proc/self/clear_refs")


@dataclass(slots=True)
class Growth:
    """Bytes added by the measured work: `resident` when it ended, `peak` at its highest."""

    resident: int = 0
    peak: int = 0


@contextlib.contextmanager
def memory_growth() -> Iterator[Growth]:
    """Measure the work inside; the numbers are there when it ends, also if it raised."""
    growth = Growth()
    _reset_peak()
    before, highest = _kibibytes("VmRSS"), _kibibytes("VmHWM")
    try:
        yield growth
    finally:
        growth.resident = max(0, _kibibytes("VmRSS") - before) * 1024
        peak = _kibibytes("VmHWM")
        growth.peak = max(growth.resident, (peak - before) * 1024 if peak > highest else 0)


def give_back_memory() -> None:
    """Collect garbage and return free heap pages to the system (glibc keeps them otherwise)."""
    gc.collect()
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL("libc.so.6").malloc_trim(0)


def _reset_peak() -> None:
    with contextlib.suppress(OSError):
        _CLEAR_REFS.write_text("5")


def _kibibytes(field: str) -> int:
    for line in _STATUS.read_text().splitlines():
        if line.startswith(field + ":"):
            return int(line.split()[1])
    return 0


def mebibytes(size: int) -> str:
    """A size in bytes, as people are told it."""
    return f"{size / 2**20:.0f} MiB"
