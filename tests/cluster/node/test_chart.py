"""The chart where its pods run: in a namespace whose Pod Security is restricted."""

import time
from collections.abc import Iterator

import pytest
from shoal_chart import CHART, NAMESPACE, setting
from shoalcluster.installation import prepare, remove
from testcluster.node import Node

pytestmark = [pytest.mark.kubernetes_node, pytest.mark.shoal_images]

IMAGES = ("--set=image.tag=dev,servingImage.tag=dev", "--set=image.pullPolicy=Never")
RELEASE = ("shoal", str(CHART), "--namespace", NAMESPACE, "--wait", "--timeout=3m", *IMAGES)
FOUR = [{"name": "cpu", "workers": {"min": 1, "max": 4}}]
OWN = "app.kubernetes.io/instance=shoal"


@pytest.fixture
def ready(node: Node) -> Iterator[Node]:
    """A node with the images and an empty namespace; left without Shoal."""
    prepare(node)
    yield node
    remove(node)


def test_it_is_installed_tested_upgraded_and_removed(ready):
    ready.helm("install", *RELEASE)
    assert pools(ready) == [{"max": 3, "min": 1}]
    assert "Phase:          Succeeded" in ready.helm("test", "shoal", "--namespace", NAMESPACE)
    ready.helm("upgrade", *RELEASE, *setting(defaultFleet__spec__pools=FOUR))
    assert pools(ready) == [{"max": 4, "min": 1}]
    assert once(ready) == []
    ready.kubectl("delete", "fleet", "default", "--timeout=120s")
    ready.helm("uninstall", "shoal", "--namespace", NAMESPACE, "--wait", "--timeout=2m")
    # Helm waits for the Deployment; its pods take a moment longer to end.
    deadline = time.monotonic() + 60
    while left(ready):
        assert time.monotonic() < deadline
        time.sleep(0.5)


def pools(node):
    fleet = node.control_plane.get("fleet", "default")
    return [pool["workers"] for pool in fleet["spec"]["pools"]]


def once(node):
    """What hooks were made of."""
    names = (item["metadata"]["name"] for item in left(node))
    return [name for name in names if name in ("shoal-default-fleet", "shoal-test")]


def left(node):
    kinds = "deployments,services,serviceaccounts,roles,rolebindings,jobs,pods"
    return [
        *node.control_plane.get(kinds, "-n", NAMESPACE, "-l", OWN)["items"],
        *node.control_plane.get("clusterroles,clusterrolebindings", "-l", OWN)["items"],
    ]
