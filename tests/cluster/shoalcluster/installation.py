"""Shoal on a node, as a person would install it."""

from pathlib import Path

from productimages.images import IMAGES, archive
from shoal_chart import CHART, NAMESPACE, SAMPLES
from testcluster.node import Node

VALUES = Path(__file__).with_name("values.yaml")
RESTRICTED = "pod-security.kubernetes.io/enforce=restricted"
PATIENCE = "--timeout=5m"


def prepare(node: Node) -> None:
    """Give the node both images, and Shoal an empty namespace whose Pod Security is restricted."""
    for image in IMAGES:
        node.import_image(archive(image))
    node.kubectl("create", "namespace", NAMESPACE)
    node.kubectl("label", "namespace", NAMESPACE, RESTRICTED)


def install(node: Node, *options: str) -> None:
    """Install the chart; returns when the operator runs and the Fleet `default` is applied.

    `options` are more of `helm install`.
    """
    values = ("--values", str(VALUES))
    release = ("shoal", str(CHART), "--namespace", NAMESPACE)
    node.helm("install", *release, *values, "--wait", PATIENCE, *options)


def uninstall(node: Node) -> None:
    """`helm uninstall`, whether or not it is installed. Models, Fleets and CRDs stay."""
    gone = ("--namespace", NAMESPACE, "--ignore-not-found", "--wait", PATIENCE)
    node.helm("uninstall", "shoal", *gone)


def apply_samples(node: Node) -> None:
    """Apply the Models that the serving image carries; the chart has made their Fleet."""
    for file in sorted(SAMPLES.glob("*.yaml")):
        if file.name != "fleet.yaml":
            node.kubectl("apply", "-f", str(file))


def remove(node: Node) -> None:
    """Take all of that away again, but for the images."""
    gone = ("--ignore-not-found", PATIENCE)
    if "models.shoal.dev" in node.kubectl("get", "crd", "-o", "name"):
        node.kubectl("delete", "models,fleets", "--all", "--all-namespaces", PATIENCE)
    # Nobody is served any more: workers need not wait for requests to end.
    node.kubectl("delete", "pods", "-n", NAMESPACE, "--all", "--grace-period=1", *gone)
    uninstall(node)
    node.kubectl("delete", "crd", "models.shoal.dev", "fleets.shoal.dev", *gone)
    node.kubectl("delete", "namespace", NAMESPACE, *gone)
