"""A KubeCluster on a real API server."""

import uuid

import pytest
from kube_world import namespace, prepare, watched
from meddler import Meddler


@pytest.fixture(autouse=True)
def nowhere(monkeypatch):
    """Fleets have no addresses here: to ask them fails at once, not after DNS gives up."""
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.setenv("no_proxy", "127.0.0.1")


@pytest.fixture(scope="session")
def server(control_plane):
    """The shared API server with every CRD that there is."""
    prepare(control_plane)
    return control_plane


@pytest.fixture
async def world(server):
    """A KubeCluster on the shared server, which tells of a first Fleet."""
    async with watched(server.kubeconfig) as found:
        yield found


@pytest.fixture
async def meddler(server):
    """A proxy before the shared server."""
    async with Meddler(server.kubeconfig) as proxy:
        yield proxy


@pytest.fixture
async def meddled(meddler, tmp_path):
    """A KubeCluster behind the proxy."""
    async with watched(meddler.kubeconfig(tmp_path)) as found:
        yield found


@pytest.fixture
def name(server):
    """One that no other test has; a Fleet that is called so is deleted in the end."""
    unique = f"t{uuid.uuid4().hex[:8]}"
    yield unique
    server.request("DELETE", f"/apis/shoal.dev/v1alpha1/fleets/{unique}")


@pytest.fixture
def place(server, name) -> str:
    """A namespace of the test's own."""
    server.apply(namespace(name))
    return name
