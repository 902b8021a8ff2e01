"""buildah, as root in a chroot, with a storage of its own: no engine, no daemon, no registry."""

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType

from machine.cache import cache_folder
from machine.commands import CommandFailed, run


class Storage:
    """Images and layers, kept in the cache folder between runs; for one process at a time.

    Its mounts end with the context.
    """

    def __init__(self) -> None:
        self._root = cache_folder() / "buildah"

    def __enter__(self) -> "Storage":
        self._state = tempfile.TemporaryDirectory(prefix="shoal-images-")
        self._end_mounts()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._end_mounts()
        self._state.cleanup()

    def has(self, image: str) -> bool:
        """Whether there is an image of that name."""
        try:
            self("inspect", "--type", "image", image)
        except CommandFailed:
            return False
        return True

    def build(
        self, name: str, context: Path, dockerfile: Path, target: str | None, options: Sequence[str]
    ) -> None:
        """Build a Dockerfile, or one stage of it; every step that was done before is not again."""
        stage = ("--target", target) if target else ()
        self(
            "build", "--isolation", "chroot", "--network", "host", "--pull-never", "--layers",
            *options, *stage, "--tag", name, "--file", str(dockerfile), str(context),
        )  # fmt: skip

    def add_base(self, folder: Path, names: Sequence[str]) -> None:
        """The folder becomes an image of one layer."""
        container = self("from", "scratch").strip()
        self("add", "--quiet", container, str(folder), "/")
        image = self("commit", "--quiet", "--rm", container).strip()
        self("tag", image, *names)

    def save(self, image: str, path: Path, name: str) -> None:
        """Write a docker archive, of that name; layers are not compressed, which is soonest."""
        partial = path.with_suffix(".partial")
        partial.unlink(missing_ok=True)
        self("push", "--quiet", image, f"docker-archive:{partial}:{name}")
        partial.replace(path)

    def load(self, path: Path, name: str) -> None:
        """The image of a docker archive gets that name here."""
        self("tag", self("pull", "--quiet", f"docker-archive:{path}").strip(), name)

    def newest_first(self, repository: str) -> list[str]:
        """The images of a name, whatever their tags."""
        asked = (
            "--filter",
            f"reference={repository}",
            "--format",
            "{{.CreatedAtRaw}} {{.Name}}:{{.Tag}}",
        )
        listed = self("images", *asked).splitlines()
        return [line.split()[-1] for line in sorted(listed, reverse=True)]

    def remove(self, image: str) -> None:
        """Forget an image, if it is there."""
        if self.has(image):
            self("rmi", image)

    def prune(self) -> None:
        """Forget images that have lost their name, and layers that are of none."""
        self("rmi", "--prune")

    @contextmanager
    def container(self, image: str) -> Iterator["Container"]:
        """A container of the image, for trying it out."""
        name = self("from", "--pull-never", image).strip()
        try:
            yield Container(self, name)
        finally:
            self("rm", name)

    def _end_mounts(self) -> None:
        """Also what a run left that was killed."""
        self._root.mkdir(exist_ok=True)
        self("rm", "--all")
        # buildah mounts this folder upon itself, and leaves that behind.
        mounted = self._root / "overlay"
        while mounted.is_mount():
            run("umount", str(mounted))

    def __call__(self, *args: str) -> str:
        """Run one buildah command; what it wrote to its standard output."""
        places = ("--root", str(self._root), "--runroot", self._state.name)
        return run("buildah", *places, "--storage-driver", "overlay", *args)


class Container:
    """Where commands run as in a pod: with the image's files, environment and user."""

    def __init__(self, storage: Storage, name: str) -> None:
        self._storage = storage
        self._name = name

    def run(self, *command: str) -> str:
        """What the command writes to its standard output; raises CommandFailed."""
        return self._storage("run", "--isolation", "chroot", self._name, "--", *command)
