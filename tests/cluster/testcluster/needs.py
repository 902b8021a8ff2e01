"""What a machine must have for a cluster, and what of it is missing here."""

import re
import shutil

from machine.commands import CommandFailed, run
from machine.packages import not_installable
from machine.rights import not_linux_root

from testcluster.binaries import MODULES

CNI_FOLDER = "/usr/lib/cni"
# What a node takes from the distribution.
PACKAGES = {
    "runc": "runc",
    f"{CNI_FOLDER}/bridge": "containernetworking-plugins",
    "iptables": "iptables",
    "ip": "iproute2",
    "conntrack": "conntrack",
    "nsenter": "util-linux",
}


def missing_for_an_api_server() -> str | None:
    """Why no API server can run here; None when one can."""
    if shutil.which("go") is None:
        return "Go is not installed"
    wanted = _required_go()
    try:
        found = run("go", "env", "GOVERSION", cwd=MODULES / "kubernetes").strip()
    except CommandFailed as error:
        return f"Go is not usable: {error.stderr.strip()}"
    if _numbers(found) < _numbers(wanted):
        return f"Go is {found.removeprefix('go')}, {wanted} or newer is needed"
    return None


def missing_for_a_node() -> str | None:
    """Why no node can run here; None when one can."""
    return (
        missing_for_an_api_server()
        or not_linux_root()
        or not_installable(PACKAGES)
        or _missing_namespaces()
    )


def _missing_namespaces() -> str | None:
    try:
        run("unshare", "--mount", "--net", "--pid", "--ipc", "--uts", "--fork", "true")
    except (OSError, CommandFailed) as error:
        return f"namespaces cannot be made here: {error}"
    return None


def _required_go() -> str:
    gomod = (MODULES / "kubernetes" / "go.mod").read_text()
    found = re.search(r"^go (\S+)", gomod, re.MULTILINE)
    if found is None:
        raise LookupError("go/kubernetes/go.mod does not say which Go it needs")
    return found[1]


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version)[:2])
