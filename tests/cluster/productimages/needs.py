"""What a machine must have to build images, and what of it is missing here."""

import os
import shutil
import sys

from productimages.storage import run

# By the program that says whether a package is there.
PACKAGES = {
    "buildah": "buildah",
    "debootstrap": "debootstrap",
}
# Somebody else may be installing.
LOCK_PATIENCE_S = 600


class MissingHere(Exception):
    """This machine cannot build images; says why."""


def missing() -> str | None:
    """Why this machine cannot build images; None when it can."""
    if sys.platform != "linux":
        return f"this is {sys.platform}, not Linux"
    if os.geteuid() != 0:
        return "this is not root"
    if _packages() and shutil.which("apt-get") is None:
        return f"{' and '.join(_packages())} are not installed, and there is no apt-get"
    return None


def ensure_packages() -> None:
    """Install what is missing with apt-get; raises MissingHere where that cannot be."""
    if reason := missing():
        raise MissingHere(f"images cannot be built: {reason}")
    if packages := _packages():
        run("apt-get", "update", "-qq")
        wait = ("-o", f"DPkg::Lock::Timeout={LOCK_PATIENCE_S}")
        run("apt-get", "install", "-y", "-qq", "--no-install-recommends", *wait, *packages)


def _packages() -> list[str]:
    return sorted(package for program, package in PACKAGES.items() if not shutil.which(program))
