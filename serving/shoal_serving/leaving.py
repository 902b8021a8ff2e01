"""`shoal-leave SECONDS`: what a worker does first when its pod is to end (the pod's `preStop`).

Kubernetes has taken the pod out of the Fleet's Service by then, so nobody new comes. But clients
keep their connections, and would find nobody behind them once Ray has ended. So each connection is
closed behind its next answer, for as long as there are replicas to give one; then Ray is told.

Only the standard library: it must begin at once.
"""

import socket
import sys
import time
from contextlib import suppress
from pathlib import Path

from shoal_serving.haproxy import LEAVING

# Where Ray Serve has HAProxy listen for its administrator, in a folder for each Ray node.
FOLDER = Path("/tmp/haproxy-serve")  # noqa: S108
# A reload starts a process that has not heard of it.
REPEAT_S = 1.0


def main() -> None:
    """Let clients go for so many seconds."""
    end = time.monotonic() + float(sys.argv[1])
    while time.monotonic() < end:
        for admin in FOLDER.glob("*/admin.sock"):
            let_clients_go(admin)
        time.sleep(REPEAT_S)


def let_clients_go(admin: Path) -> None:
    """Have this HAProxy close each connection behind its next answer; nothing if it is gone.

    The command is of https://docs.haproxy.org/2.8/management.html, 9.3.
    """
    with suppress(OSError), socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(REPEAT_S)
        connection.connect(str(admin))
        connection.sendall(f"experimental-mode on; set var {LEAVING} bool(true)\n".encode())
        connection.recv(4096)
