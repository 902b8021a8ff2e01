"""An API server for the chart alone, which changes what all namespaces share."""

from collections.abc import Iterator

import pytest
from shoal_chart import NAMESPACE, RELEASE
from testcluster.control_plane import ControlPlane
from waiting import eventually

# What Helm's hooks have, and tests make without Helm.
HOOKS = "serviceaccounts,roles,rolebindings,clusterroles,clusterrolebindings"


@pytest.fixture(scope="session")
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
    cluster.kubectl("delete", HOOKS, "-A", "-l", "app.kubernetes.io/instance=shoal")
    cluster.kubectl("delete", "crd", "--all")


@pytest.fixture
def installed(vacant: ControlPlane) -> ControlPlane:
    """With the chart's default values, but for what runs in pods."""
    vacant.helm("install", *RELEASE)
    # An API server tells of a new kind a moment after its definition was created.
    eventually(lambda: vacant.serves("models,fleets"), "its kinds are served")
    return vacant
