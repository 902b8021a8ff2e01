"""An operator process that is killed in the midst of its work, as often as that work has writes."""

import asyncio

import pytest
from kube_world import prepare
from meddler import Meddler
from operator_process import OperatorProcess, ending

pytestmark = [pytest.mark.kubernetes_api, pytest.mark.timeout(300)]

NAMESPACE = "default"
OWNED = "rayservices,services,secrets,networkpolicies,poddisruptionbudgets"


@pytest.fixture
def server(fresh_control_plane):
    """One that no other Fleet is on."""
    prepare(fresh_control_plane)
    return fresh_control_plane


async def test_one_that_is_killed_after_every_write_ends_where_one_that_lives_does(
    server, tmp_path
):
    apply_fleet_with_a_model(server, "whole")
    async with Meddler(server.kubeconfig) as meddler:
        kubeconfig = meddler.kubeconfig(tmp_path)
        with ending([start(kubeconfig, tmp_path)]):
            await until(lambda: is_told(server, "whole"))
        apply_fleet_with_a_model(server, "torn")
        killed = 0
        while not is_told(server, "torn"):
            with ending([start(kubeconfig, tmp_path)]) as processes:
                meddler.after_a_write = processes[0].kill
                await until(lambda one=processes[0]: one.code is not None)
                killed += 1
    assert killed >= len(owned(server, "torn"))
    assert owned(server, "torn") == owned(server, "whole")


def start(kubeconfig, folder):
    log = folder / "operator.log"
    return OperatorProcess("it", kubeconfig, NAMESPACE, log, ("--no-leader-election",))


async def until(check):
    """Look again and again, while the proxy goes on."""
    async with asyncio.timeout(60):
        while not await asyncio.to_thread(check):
            await asyncio.sleep(0.05)


def apply_fleet_with_a_model(server, name):
    """Both of this name."""
    version = "shoal.dev/v1alpha1"
    fleet = {
        "apiVersion": version,
        "kind": "Fleet",
        "metadata": {"name": name},
        "spec": {"pools": [{"name": "cpu"}]},
    }
    model = {
        "apiVersion": version,
        "kind": "Model",
        "metadata": {"name": name, "namespace": NAMESPACE},
        "spec": {"fleet": name, "source": {"uri": "file:///models/m"}},
    }
    server.apply(fleet, model)


def is_told(server, name):
    """Whether all is written: the RayService has the Model, and both have a status."""
    resources = server.get("fleet,model", "-n", NAMESPACE)["items"]
    mine = [one for one in resources if one["metadata"]["name"] == name]
    services = server.get("rayservices", "-n", NAMESPACE)["items"]
    config = [one["spec"]["serveConfigV2"] for one in services if one["metadata"]["name"] == name]
    told = all(one.get("status", {}).get("conditions") for one in mine)
    return told and any(f"/{NAMESPACE}/{name}" in one for one in config)


def owned(server, fleet):
    """Kind and name of what a Fleet owns; `-` stands for its name."""
    found = server.get(OWNED, "-n", NAMESPACE, "-l", f"shoal.dev/fleet={fleet}")["items"]
    return {(one["kind"], one["metadata"]["name"].replace(fleet, "-")) for one in found}
