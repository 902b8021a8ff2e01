"""Programs, built from pinned Go modules once and kept outside the repository.

They lie in the cache folder, in a folder per component that is named after a digest of its go.mod,
go.sum and flags. Cold, everything takes ten minutes on two cores; what is there already takes
nothing.
"""

import functools
import hashlib
import os
import re
import shutil
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from machine.cache import cache_folder, locked
from machine.commands import run
from machine.progress import say

MODULES = Path(__file__).parents[1] / "go"
# What one process builds, the others wait for.
LOCK = "build"


@dataclass(frozen=True)
class Component:
    """A folder of `go/`: the module that it pins, and the programs that come from it.

    Without a `module` the folder is itself the program. `ldflags` may name the `{version}`.
    """

    module: str | None
    programs: Mapping[str, str]
    ldflags: str = ""
    tags: str = ""


# Without its version in it, neither kubectl nor helm understands the server.
_VERSIONED = (
    "-X k8s.io/component-base/version.gitVersion={version}"
    " -X k8s.io/component-base/version.gitMajor=1 -X k8s.io/component-base/version.gitMinor={minor}"
    " -X k8s.io/client-go/pkg/version.gitVersion={version}"
)
_KUBERNETES = (
    "kube-apiserver",
    "kube-controller-manager",
    "kube-scheduler",
    "kubectl",
    "kubelet",
    "kube-proxy",
)
_CONTAINERD = ("containerd", "ctr", "containerd-shim-runc-v2")

COMPONENTS = {
    "kubernetes": Component(
        module="k8s.io/kubernetes",
        programs={name: f"k8s.io/kubernetes/cmd/{name}" for name in _KUBERNETES},
        ldflags=_VERSIONED,
    ),
    "etcd": Component(
        module="go.etcd.io/etcd/server/v3", programs={"etcd": "go.etcd.io/etcd/server/v3"}
    ),
    "helm": Component(module="helm.sh/helm/v3", programs={"helm": "helm.sh/helm/v3/cmd/helm"}),
    "containerd": Component(
        module="github.com/containerd/containerd/v2",
        programs={name: f"github.com/containerd/containerd/v2/cmd/{name}" for name in _CONTAINERD},
        tags="no_btrfs,no_devmapper,no_zfs",
    ),
    "coredns": Component(
        module="github.com/coredns/coredns", programs={"coredns": "github.com/coredns/coredns"}
    ),
    "kuberay": Component(
        module="github.com/ray-project/kuberay/ray-operator",
        programs={"kuberay-operator": "github.com/ray-project/kuberay/ray-operator"},
    ),
    "pause": Component(module=None, programs={"pause": "."}),
}

# What an API server needs, and what a node needs besides.
API = ("etcd", "kube-apiserver", "kube-controller-manager", "kubectl", "helm")
NODE = (
    "kube-scheduler",
    "kubelet",
    "kube-proxy",
    *_CONTAINERD,
    "coredns",
    "kuberay-operator",
    "pause",
)


def binary(program: str) -> Path:
    """A program by name, such as `kubectl`; built now if it never was."""
    name = _component_of(program)
    path = component_folder(name) / program
    if not path.exists():
        with locked(LOCK):
            if not path.exists():
                _build(name, program, path)
    return path


def ensure(programs: Iterable[str]) -> None:
    """Build those that are missing."""
    for program in programs:
        binary(program)


def kuberay_config() -> Path:
    """KubeRay's own manifests: `crd/bases`, `rbac` and `manager`, of the pinned version."""
    folder = component_folder("kuberay") / "config"
    if not folder.exists():
        with locked(LOCK):
            if not folder.exists():
                _copy_config(folder)
    return folder


def version(component: str) -> str:
    """The pinned version of a component's module, such as `v1.36.3`; empty without a module."""
    module = COMPONENTS[component].module
    if module is None:
        return ""
    gomod = (MODULES / component / "go.mod").read_text()
    found = re.search(rf"^\s*(?:require )?{re.escape(module)} (v\S+)", gomod, re.MULTILINE)
    if found is None:
        raise LookupError(f"go/{component}/go.mod does not require {module}")
    return found[1]


def component_folder(component: str) -> Path:
    """Where the programs of a component are."""
    parts = (component, version(component), _digest(component))
    return cache_folder() / "-".join(part for part in parts if part)


@functools.cache
def _digest(component: str) -> str:
    digest = hashlib.sha256(repr(COMPONENTS[component]).encode())
    for path in sorted((MODULES / component).iterdir()):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:12]


def _component_of(program: str) -> str:
    for name, component in COMPONENTS.items():
        if program in component.programs:
            return name
    known = sorted(one for component in COMPONENTS.values() for one in component.programs)
    raise LookupError(f"no program is called {program!r}; there are {', '.join(known)}")


def _build(name: str, program: str, path: Path) -> None:
    component = COMPONENTS[name]
    say(f"building {program}, once, into {path.parent} ...")
    began = time.monotonic()
    path.parent.mkdir(exist_ok=True)
    partial = path.with_suffix(".partial")
    package = component.programs[program]
    flags = ["-trimpath", "-mod=readonly", "-ldflags", f"-s -w {_ldflags(name)}"]
    tags = ["-tags", component.tags] if component.tags else []
    _go(name, "build", *flags, *tags, "-o", str(partial), package)
    partial.replace(path)
    say(f"built {program} in {time.monotonic() - began:.0f} s")


def _ldflags(name: str) -> str:
    pinned = version(name)
    return COMPONENTS[name].ldflags.format(version=pinned, minor="".join(pinned.split(".")[1:2]))


def _copy_config(folder: Path) -> None:
    module = str(COMPONENTS["kuberay"].module)
    _go("kuberay", "mod", "download", module)
    source = Path(_go("kuberay", "list", "-m", "-f", "{{.Dir}}", module).strip()) / "config"
    folder.parent.mkdir(exist_ok=True)
    partial = folder.with_suffix(".partial")
    shutil.rmtree(partial, ignore_errors=True)
    # The module cache is read-only; a copy of it must be removable.
    shutil.copytree(source, partial, copy_function=shutil.copyfile)
    for directory in (partial, *(path for path in partial.rglob("*") if path.is_dir())):
        directory.chmod(0o755)
    partial.replace(folder)


def _go(component: str, *args: str) -> str:
    """Run `go` for a component; its own configuration decides where modules come from."""
    environment = os.environ | {"CGO_ENABLED": "0", "GOWORK": "off"}
    return run("go", *args, cwd=MODULES / component, env=environment)
