"""The two images, and the archives that a container runtime imports."""

import hashlib
import os
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from machine.cache import cache_folder, locked
from machine.packages import ensure_packages
from machine.progress import say

from productimages.base import BASE, ensure_base
from productimages.needs import PACKAGES
from productimages.pip_settings import lent
from productimages.storage import Container, Storage
from shoal import __version__

ROOT = Path(__file__).parents[3]
# What the Dockerfiles take from the repository after the dependencies.
SOURCES = (
    "pyproject.toml",
    "LICENSE",
    "manifests/samples/models",
    "operator/shoal",
    "serving/shoal_serving",
)
# One process at a time builds; the others wait, and find it built.
LOCK = "images"
# Of each image: working trees that differ do not take away what the others use.
KEPT = 3


@dataclass(frozen=True)
class Image:
    """One image: its `name` in the cluster, its Dockerfile, and the locks it installs.

    It is named as the chart and install.yaml name it where nobody says otherwise.
    """

    name: str
    dockerfile: str
    locks: tuple[str, ...]

    @property
    def short_name(self) -> str:
        """Such as `operator`, of `localhost/shoal-operator:0.1.0`."""
        return Path(self.dockerfile).parent.name

    @property
    def installs(self) -> tuple[str, ...]:
        """The files that say what its dependencies are, and how they are installed."""
        return (self.dockerfile, ".dockerignore", "requirements/build.txt", *self.locks)

    @property
    def dependencies(self) -> str:
        """The name of the build stage that is the same for every change of the sources."""
        return f"localhost/{self.short_name}-dependencies"


OPERATOR = Image(
    name=f"localhost/shoal-operator:{__version__}",
    dockerfile="operator/Dockerfile",
    locks=("requirements/operator.txt",),
)
SERVING = Image(
    name=f"localhost/shoal-serving:{__version__}",
    dockerfile="serving/Dockerfile",
    locks=("requirements/serving.txt", "requirements/serving-gpu.txt"),
)
IMAGES = (OPERATOR, SERVING)


def archive(image: Image) -> Path:
    """A docker archive of the image, as the repository is now; built if it never was.

    Raises PackagesMissing where the machine cannot build, CommandFailed when the build fails.
    """
    path = archives_folder() / f"{image.short_name}-{key(image)}.tar"
    if not path.exists():
        with locked(LOCK):
            if not path.exists():
                _build(image, path)
    os.utime(path)
    return path


@contextmanager
def container(image: Image) -> Iterator[Container]:
    """A container of the image as the repository is now, to run commands in."""
    path = archive(image)
    with locked(LOCK), Storage() as storage:
        if not storage.has(_kept_as(path)):
            storage.load(path, _kept_as(path))
        with storage.container(_kept_as(path)) as made:
            yield made


def archives_folder() -> Path:
    """Where archives are kept between runs."""
    folder = cache_folder() / "images"
    folder.mkdir(exist_ok=True)
    return folder


def key(image: Image) -> str:
    """Of everything that the image is made from: 12 hex digits."""
    return _digest(image, (*image.installs, *SOURCES))


def _digest(image: Image, names: Iterable[str]) -> str:
    digest = hashlib.sha256(repr((image, BASE)).encode())
    for path in _files(names):
        content = hashlib.sha256(path.read_bytes()).hexdigest()
        digest.update(f"{path.relative_to(ROOT)} {content}\n".encode())
    return digest.hexdigest()[:12]


def _files(names: Iterable[str]) -> Iterator[Path]:
    for name in names:
        path = ROOT / name
        found = path.rglob("*") if path.is_dir() else [path]
        yield from sorted(one for one in found if one.is_file() and "__pycache__" not in one.parts)


def _build(image: Image, path: Path) -> None:
    ensure_packages(PACKAGES)
    began = time.monotonic()
    say(f"building {image.name} ...")
    # Named, so that its layers stay, whatever becomes of the sources.
    dependencies = f"{image.dependencies}:{_digest(image, image.installs)}"
    with Storage() as storage, lent() as options:
        ensure_base(storage)
        for name, target in ((dependencies, "dependencies"), (_kept_as(path), None)):
            storage.build(name, ROOT, ROOT / image.dockerfile, target, options)
        storage.save(_kept_as(path), path, image.name)
        _forget_old_ones(image, storage)
    say(f"built {image.name} in {time.monotonic() - began:.0f} s")


def _kept_as(path: Path) -> str:
    """The name in buildah's storage of what the archive holds."""
    return f"localhost/{path.stem}:kept"


def _forget_old_ones(image: Image, storage: Storage) -> None:
    archives = archives_folder().glob(f"{image.short_name}-*.tar")
    for old in sorted(archives, key=lambda path: path.stat().st_mtime, reverse=True)[KEPT:]:
        old.unlink()
        storage.remove(_kept_as(old))
    for name in storage.newest_first(image.dependencies)[KEPT:]:
        storage.remove(name)
    storage.prune()
