"""Whether this is Linux, and its root."""

import os
import sys


def not_linux_root() -> str | None:
    """Why this is not it; None when it is."""
    if sys.platform != "linux":
        return f"this is {sys.platform}, not Linux"
    return None if os.geteuid() == 0 else "this is not root"
