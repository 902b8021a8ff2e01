"""Programs that come from the distribution."""

import os
import shutil
from collections.abc import Mapping

from machine.cache import locked
from machine.commands import run
from machine.progress import say

# Somebody else may be installing.
LOCK_PATIENCE_S = 600

Packages = Mapping[str, str]
"""The package of each program; the program says whether the package is there."""


class PackagesMissing(Exception):
    """Packages are missing and cannot be installed here."""


def not_installable(wanted: Packages) -> str | None:
    """Why these packages cannot be had here; None when they are there, or apt-get is."""
    missing = _missing(wanted)
    if not missing or shutil.which("apt-get"):
        return None
    are = "is" if len(missing) == 1 else "are"
    return f"{' and '.join(missing)} {are} not installed, and there is no apt-get"


def ensure_packages(wanted: Packages) -> None:
    """Install what is missing with apt-get; raises PackagesMissing where there is none."""
    if _missing(wanted):
        with locked("packages"):
            _install(wanted)


def _missing(wanted: Packages) -> list[str]:
    return sorted({package for program, package in wanted.items() if not shutil.which(program)})


def _install(wanted: Packages) -> None:
    packages = _missing(wanted)
    if reason := not_installable(wanted):
        raise PackagesMissing(reason)
    if not packages:
        return
    say(f"installing {' '.join(packages)} with apt-get ...")
    wait = ("-o", f"DPkg::Lock::Timeout={LOCK_PATIENCE_S}")
    quiet = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    run("apt-get", "update", "-qq", env=quiet)
    install = ("apt-get", "install", "-y", "-qq", "--no-install-recommends", *wait)
    run(*install, *packages, env=quiet)
