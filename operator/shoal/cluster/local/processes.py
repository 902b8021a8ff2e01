"""Finding and ending what a Ray head started, also when whoever started it is long gone.

Every process of a head keeps the session id of `ray start` and its working folder; together they
name it, however its environment or its parent may have changed.
"""

import contextlib
import os
import signal
import time
from pathlib import Path

_PROC = Path("/proc")
PATIENCE_S = 10.0


def members(session: int | None, folder: Path) -> list[int]:
    """The processes of a session (None: of any) whose working folder is `folder`."""
    pids = (int(entry.name) for entry in _PROC.iterdir() if entry.name.isdigit())
    return [pid for pid in pids if _belongs(pid, session, folder)]


def end(session: int | None, folder: Path) -> None:
    """Kill them all; returns when they are gone.

    Ray's graceful ways take up to half a minute, or leave its agents behind.
    """
    deadline = time.monotonic() + PATIENCE_S
    while (left := members(session, folder)) and time.monotonic() < deadline:
        for pid in left:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        reap(session)
        time.sleep(0.05)


def reap(session: int | None) -> None:
    """Let the leader go if it is a child of this process and has ended."""
    if session is not None:
        with contextlib.suppress(ChildProcessError):
            os.waitpid(session, os.WNOHANG)


def _belongs(pid: int, session: int | None, folder: Path) -> bool:
    try:
        in_session = session is None or os.getsid(pid) == session
        return in_session and (_PROC / str(pid) / "cwd").readlink() == folder
    except OSError:
        return False
