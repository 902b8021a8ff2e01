"""The chart as tests render it. As a program it writes the files that are made of it:
`manifests/install.yaml` and what `everything.values.yaml` renders to.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml
from machine.commands import run
from testcluster.binaries import binary

ROOT = Path(__file__).parents[2]
CHART = ROOT / "helm" / "shoal"
SAMPLES = ROOT / "manifests" / "samples" / "kubernetes"
INSTALL = ROOT / "manifests" / "install.yaml"
GOLDEN = ROOT / "tests" / "cluster" / "chart"
EVERYTHING = GOLDEN / "everything.values.yaml"
NAMESPACE = "shoal-system"
KUBERNETES = "1.36.0"
# What `helm install` and `helm upgrade` are told. Without a node a hook would wait for ever.
RELEASE = ("shoal", str(CHART), "--namespace", NAMESPACE, "--no-hooks")

_HEAD = f"""\
# Shoal without Helm, made from helm/shoal by `make manifests`:
#   kubectl apply --server-side -f manifests/install.yaml
# `kubectl delete -f` of this file removes the CRDs too, and with them every Model and Fleet.
apiVersion: v1
kind: Namespace
metadata:
  name: {NAMESPACE}
  labels:
    pod-security.kubernetes.io/enforce: restricted
"""
_HELMS_OWN = ("# Source:", "helm.sh/", "app.kubernetes.io/managed-by: Helm")


def helm(*args: str) -> str:
    """What helm prints; raises CommandFailed with what it says otherwise."""
    return run(str(binary("helm")), *args)


def render(*options: str, release: str = "shoal") -> str:
    """The manifests of a release; `options` are those of `helm template`."""
    where = ("--namespace", NAMESPACE, "--kube-version", KUBERNETES)
    return helm("template", release, str(CHART), *where, *options)


def setting(**values: Any) -> tuple[str, ...]:
    """Options that set values by their paths, with `__` for a dot."""
    paths = {path.replace("__", "."): value for path, value in values.items()}
    return tuple(f"--set-json={path}={json.dumps(value)}" for path, value in paths.items())


def documents(text: str) -> list[dict[str, Any]]:
    """The objects of a stream of YAML."""
    return [one for one in yaml.safe_load_all(text) if one]


def of_kind(kind: str, text: str) -> list[dict[str, Any]]:
    """Those of one kind."""
    return [one for one in documents(text) if one["kind"] == kind]


def stand_in_crd(group: str, kind: str, version: str = "v1") -> dict[str, Any]:
    """A resource of somebody else's, of which only its name counts."""
    plural = f"{kind.lower()}s"
    anything = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    served = {"name": version, "served": True, "storage": True}
    # Asked for in groups of Kubernetes' own, such as gateway.networking.k8s.io.
    unreviewed = {"api-approved.kubernetes.io": "unapproved, a stand-in of a test"}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.{group}", "annotations": unreviewed},
        "spec": {
            "group": group,
            "scope": "Namespaced",
            "names": {"kind": kind, "plural": plural},
            "versions": [{**served, "schema": {"openAPIV3Schema": anything}}],
        },
    }


def install_manifest() -> str:
    """What `manifests/install.yaml` must be: the chart as it is, but for what only Helm can do."""
    without_helm = setting(crds__keep=False, defaultFleet__create=False)
    return _HEAD + "".join(_plain(render("--no-hooks", *without_helm)))


def everything() -> str:
    """What the chart renders to with every value said, without the CRDs."""
    return render("--values", str(EVERYTHING))


def _plain(text: str) -> Iterator[str]:
    for line in text.splitlines(keepends=True):
        if not line.strip().startswith(_HELMS_OWN):
            yield line


if __name__ == "__main__":
    INSTALL.write_text(install_manifest())
    (GOLDEN / "everything.yaml").write_text(everything())
