"""An API server of a module's own: the chart changes what all namespaces share."""

import time
from collections.abc import Iterator

import pytest
from machine.commands import CommandFailed
from shoal_chart import NAMESPACE, RELEASE
from testcluster.control_plane import ControlPlane


@pytest.fixture(scope="module")
def cluster() -> Iterator[ControlPlane]:
    """With an empty, restricted namespace for Shoal, and three others."""
    with ControlPlane() as running:
        for name in (NAMESPACE, "ml", "ops", "people"):
            running.kubectl("create", "namespace", name)
        label = "pod-security.kubernetes.io/enforce=restricted"
        running.kubectl("label", "namespace", NAMESPACE, label)
        yield running


@pytest.fixture
def vacant(cluster: ControlPlane) -> Iterator[ControlPlane]:
    """Without Shoal; what a test installs is removed after it."""
    yield cluster
    cluster.helm("uninstall", "shoal", "--namespace", NAMESPACE, "--ignore-not-found")
    cluster.kubectl("delete", "crd", "models.shoal.dev", "fleets.shoal.dev", "--ignore-not-found")


@pytest.fixture
def installed(vacant: ControlPlane) -> ControlPlane:
    """With the chart's default values, but for what runs in pods."""
    vacant.helm("install", *RELEASE)
    _wait_until_served(vacant)
    return vacant


def _wait_until_served(cluster: ControlPlane) -> None:
    """An API server tells of a new kind a moment after its definition was created."""
    deadline = time.monotonic() + 30
    while True:
        try:
            cluster.get("models,fleets")
            return
        except CommandFailed:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.2)
