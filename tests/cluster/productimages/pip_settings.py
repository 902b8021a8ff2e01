"""What this machine's pip is told, lent to the pip inside a build.

It is mounted, so nothing of it stays in an image, and the Dockerfiles need not know of it.
"""

import ast
import os
import re
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from machine.commands import run

# The options that say where packages come from. A later origin of the same option wins, as in pip.
LENT = {
    "cert",
    "default-timeout",
    "extra-index-url",
    "find-links",
    "index-url",
    "no-index",
    "proxy",
    "retries",
    "timeout",
    "trusted-host",
}
ORIGINS = ("global", "install", ":env:")
# Where pip, like other programs, looks for certificates that it was not told of.
CERTIFICATES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE")


@contextmanager
def lent() -> Iterator[list[str]]:
    """The options of `buildah build` that mount the settings, and the cache of packages."""
    found = settings(run(sys.executable, "-m", "pip", "config", "list"))
    for name in CERTIFICATES:
        if name in os.environ:
            found.setdefault("cert", os.environ[name])
    with tempfile.NamedTemporaryFile("w", prefix="shoal-pip-", suffix=".conf") as file:
        file.write(_written(found))
        file.flush()
        mounts = [(file.name, "/etc/pip.conf", "ro"), (_package_cache(), "/root/.cache/pip", "rw")]
        mounts += [(path, path, "ro") for path in _paths(found)]
        yield [word for mount in mounts for word in ("--volume", ":".join(mount))]


def settings(listed: str) -> dict[str, str]:
    """The options to lend, from the output of `pip config list`."""
    found = [
        (ORIGINS.index(origin), name, ast.literal_eval(value))
        for origin, name, value in re.findall(r"^(\S+)\.([a-z-]+)=(.*)$", listed, re.MULTILINE)
        if origin in ORIGINS and name in LENT
    ]
    return {name: value for _, name, value in sorted(found)}


def _written(found: Mapping[str, str]) -> str:
    lines = [f"{name} = {' '.join(value.split())}" for name, value in sorted(found.items())]
    return "\n".join(["[global]", *lines, ""])


def _paths(found: Mapping[str, str]) -> list[str]:
    """Files and folders of this machine that the settings name."""
    named = [found.get("cert", ""), *found.get("find-links", "").split()]
    return [path for path in named if path.startswith("/") and Path(path).exists()]


def _package_cache() -> str:
    path = Path(run(sys.executable, "-m", "pip", "cache", "dir").strip())
    path.mkdir(parents=True, exist_ok=True)
    return str(path)
