"""What a machine must have for which tests, and what of it is missing here."""

import os
import re
import shutil
import sys
from enum import StrEnum

from testcluster.binaries import MODULES
from testcluster.commands import CommandFailed, run


class Need(StrEnum):
    """What a test stands on; the value says it in the summary of a run."""

    API = "tests that need a Kubernetes API server"
    NODE = "tests that need a Kubernetes node"


def missing(need: Need) -> str | None:
    """Why this machine cannot run such tests; None when it can."""
    return _missing_go() or (_missing_for_a_node() if need is Need.NODE else None)


def _missing_go() -> str | None:
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


def _missing_for_a_node() -> str | None:
    if sys.platform != "linux":
        return f"this is {sys.platform}, not Linux"
    if os.geteuid() != 0:
        return "this is not root"
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
