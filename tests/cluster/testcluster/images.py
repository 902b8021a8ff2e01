"""Images that are one static program each, made without an engine and without a registry."""

import hashlib
import io
import json
import platform
import tarfile
from pathlib import Path

from machine.cache import locked

from testcluster.binaries import LOCK, binary, component_folder, version

# Nobody on this machine; images that must not run as root need a number.
NOBODY = "65532:65532"
ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64", "arm64": "arm64"}

PAUSE = "localhost/pause:1"
COREDNS = f"localhost/coredns:{version('coredns')}"
KUBERAY = f"localhost/kuberay-operator:{version('kuberay')}"


def base_images() -> list[Path]:
    """The archives of what every node runs: pause, CoreDNS and KubeRay's operator."""
    return [
        static_image("pause", "pause", PAUSE, "pause"),
        static_image("coredns", "coredns", COREDNS, "coredns"),
        static_image("kuberay", "kuberay-operator", KUBERAY, "manager"),
    ]


def static_image(component: str, program: str, name: str, entrypoint: str) -> Path:
    """A docker archive of a program at `/entrypoint`, kept beside the program."""
    executable = binary(program)
    path = component_folder(component) / f"{program}.tar"
    with locked(LOCK):
        if not path.exists():
            partial = path.with_suffix(".partial")
            _write_archive(partial, name, entrypoint, _layer(executable, entrypoint))
            partial.replace(path)
    return path


def _layer(executable: Path, entrypoint: str) -> bytes:
    body = executable.read_bytes()
    written = io.BytesIO()
    with tarfile.open(fileobj=written, mode="w") as layer:
        member = tarfile.TarInfo(entrypoint)
        member.size, member.mode = len(body), 0o755
        layer.addfile(member, io.BytesIO(body))
    return written.getvalue()


def _write_archive(path: Path, name: str, entrypoint: str, layer: bytes) -> None:
    config = {
        "architecture": ARCHITECTURES[platform.machine()],
        "os": "linux",
        "config": {"Entrypoint": [f"/{entrypoint}"], "User": NOBODY},
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{hashlib.sha256(layer).hexdigest()}"]},
    }
    manifest = [{"Config": "config.json", "RepoTags": [name], "Layers": ["layer.tar"]}]
    with tarfile.open(path, "w") as archive:
        _add(archive, "config.json", json.dumps(config).encode())
        _add(archive, "manifest.json", json.dumps(manifest).encode())
        _add(archive, "layer.tar", layer)


def _add(archive: tarfile.TarFile, name: str, body: bytes) -> None:
    member = tarfile.TarInfo(name)
    member.size = len(body)
    archive.addfile(member, io.BytesIO(body))
