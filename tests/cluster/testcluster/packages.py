"""Programs of a node that come from the distribution, not from a Go module."""

import os
import shutil

from testcluster.binaries import one_at_a_time, say
from testcluster.commands import run

# By the program that says whether a package is there.
PACKAGES = {
    "runc": "runc",
    "/usr/lib/cni/bridge": "containernetworking-plugins",
    "iptables": "iptables",
    "ip": "iproute2",
    "conntrack": "conntrack",
    "nsenter": "util-linux",
}
CNI_FOLDER = "/usr/lib/cni"
# Somebody else may be installing.
LOCK_PATIENCE_S = 600


class PackagesMissing(Exception):
    """A package is missing and cannot be installed here."""


def ensure_packages() -> None:
    """Install what is missing with apt-get; raises PackagesMissing where there is none."""
    if _missing():
        with one_at_a_time():
            _install(_missing())


def _missing() -> list[str]:
    return [package for program, package in PACKAGES.items() if not shutil.which(program)]


def _install(packages: list[str]) -> None:
    if not packages:
        return
    if shutil.which("apt-get") is None:
        raise PackagesMissing(f"a node needs {', '.join(packages)}: install them")
    say(f"installing {' '.join(packages)} with apt-get ...")
    wait = ("-o", f"DPkg::Lock::Timeout={LOCK_PATIENCE_S}")
    quiet = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    run("apt-get", "update", "-qq", env=quiet)
    install = ("apt-get", "install", "-y", "-qq", "--no-install-recommends", *wait)
    run(*install, *packages, env=quiet)
