"""A stand-in for the base image that the Dockerfiles ask for, made of Debian's own packages."""

import hashlib
import re
import shutil
import tempfile
from pathlib import Path

from machine.commands import run

from productimages.storage import Storage

DOCKERFILE = Path(__file__).parents[3] / "serving" / "Dockerfile"
SUITE = "bookworm"
# What the real one has that Debian's smallest system has not.
PACKAGES = ("ca-certificates", "python3", "python3-pip", "python3-venv")
# Needed only to make it.
LEFT_OVER = ("var/cache/apt", "var/lib/apt/lists")
BASE = (SUITE, PACKAGES, LEFT_OVER)


def ensure_base(storage: Storage) -> None:
    """Make the stand-in if there is none; 50 s."""
    digest = hashlib.sha256(repr(BASE).encode()).hexdigest()[:12]
    known_as = f"localhost/shoal-base:{digest}"
    if storage.has(known_as):
        storage("tag", known_as, base_name())
        return
    with tempfile.TemporaryDirectory(prefix="shoal-base-") as folder:
        root = Path(folder) / "root"
        run("debootstrap", *_flags(), SUITE, str(root), *_mirror())
        for name in LEFT_OVER:
            shutil.rmtree(root / name, ignore_errors=True)
        storage.add_base(root, [known_as, base_name()])


def base_name() -> str:
    """The image that the Dockerfiles stand on unless they are told another."""
    found = re.search(r"^ARG BASE=(\S+)$", DOCKERFILE.read_text(), re.MULTILINE)
    if found is None:
        raise LookupError(f"{DOCKERFILE} does not say ARG BASE=...")
    return found[1]


def _flags() -> tuple[str, ...]:
    return ("--variant=minbase", f"--include={','.join(PACKAGES)}")


def _mirror() -> tuple[str, ...]:
    """Where this machine takes Debian's packages from; debootstrap's own choice if it has none."""
    asked = ("--format", "$(ORIGIN) $(CODENAME) $(REPO_URI)", "Created-By: Packages")
    found = (line.split() for line in run("apt-get", "indextargets", *asked).splitlines())
    # Updates for security alone are no whole distribution.
    mirrors = [
        uri
        for origin, codename, uri in (each for each in found if len(each) == 3)
        if origin == "Debian" and not codename.endswith("-security")
    ]
    return tuple(mirrors[:1])
