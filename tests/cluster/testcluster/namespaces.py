"""A node's own network, mounts and processes, apart from this machine's.

All that a node makes lies inside: its bridge and iptables rules, the mounts of its pods, every
container. It ends with the first process in there, which nothing but a small `pause` is.
"""

from pathlib import Path

from machine.commands import run

from testcluster.binaries import binary
from testcluster.daemons import Daemon
from testcluster.network import Network
from testcluster.state import State

# What kubelet wants of the kernel. It is shown files that say so, and leaves the kernel alone.
KERNEL = {
    "vm/overcommit_memory": "1",
    "vm/panic_on_oom": "0",
    "kernel/panic": "10",
    "kernel/panic_on_oops": "1",
    "kernel/keys/root_maxkeys": "1000000",
    "kernel/keys/root_maxbytes": "25000000",
}
_UNSHARE = (
    *("unshare", "--mount", "--net", "--pid", "--ipc", "--uts", "--propagation", "private"),
    *("--fork", "--kill-child", "--mount-proc", "--"),
)


class Namespaces:
    """`prefix` brings a command into them."""

    def __init__(self, state: State, network: Network) -> None:
        self._state = state
        self._network = network
        self._first = Daemon(state, "namespaces", (str(binary("pause")),), _UNSHARE)

    def start(self) -> None:
        """Make them and lay the cable."""
        self._first.start()
        self._first.wait_until(lambda: self._first.in_place)
        self._network.connect(self._first.pid, self._state.name)
        for command in (*self._network.inside(), *self._mounts()):
            self.run(*command)

    def stop(self) -> None:
        """End every process in them."""
        self._first.kill()

    @property
    def prefix(self) -> tuple[str, ...]:
        """Enters them, and the cluster's folder."""
        target = ("nsenter", "--target", str(self._first.pid))
        kinds = ("--mount", "--net", "--pid", "--ipc", "--uts")
        return (*target, *kinds, "--", "env", f"--chdir={self._state.root}")

    def run(self, *command: str, stdin: str | None = None) -> str:
        """What a command in them prints; raises CommandFailed."""
        return run(*self.prefix, *command, stdin=stdin)

    def _mounts(self) -> list[tuple[str, ...]]:
        """Folders that programs insist on are the cluster's own."""
        folders = {Path("/var/lib"): "var-lib", Path("/var/log"): "var-log"}
        return [
            ("mount", "-n", "--make-rshared", "/"),
            ("mount", "-n", "-t", "tmpfs", "tmpfs", "/run"),
            *(self._bind(self._state.folder(own), path) for path, own in folders.items()),
            *(self._bind(self._said(name), f"/proc/sys/{name}") for name in KERNEL),
        ]

    def _bind(self, source: Path, target: Path | str) -> tuple[str, ...]:
        return ("mount", "-n", "--bind", str(source), str(target))

    def _said(self, name: str) -> Path:
        path = self._state.folder("kernel") / name.replace("/", ".")
        path.write_text(f"{KERNEL[name]}\n")
        return path
