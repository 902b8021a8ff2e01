"""An operator process that is killed in the midst of its work, as often as that work has writes."""

import asyncio

import pytest
from kube_world import prepare
from little_fleet import is_told, little_fleet
from meddler import Meddler
from operator_process import OperatorProcess, ending
from waiting import eventually

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
    server.apply(*little_fleet("whole"))
    async with Meddler(server.kubeconfig) as meddler:
        kubeconfig = meddler.kubeconfig(tmp_path)
        with ending([start(kubeconfig, tmp_path)]):
            await asyncio.to_thread(eventually, lambda: is_told(server, "whole", NAMESPACE))
        server.apply(*little_fleet("torn"))
        killed = 0
        while not is_told(server, "torn", NAMESPACE):
            with ending([start(kubeconfig, tmp_path)]) as processes:
                meddler.after_a_write = processes[0].kill
                await asyncio.to_thread(processes[0].ended)
                killed += 1
    assert killed >= len(owned(server, "torn"))
    assert owned(server, "torn") == owned(server, "whole")


def start(kubeconfig, folder):
    log = folder / "operator.log"
    return OperatorProcess("it", kubeconfig, NAMESPACE, log, ("--no-leader-election",))


def owned(server, fleet):
    """Kind and name of what a Fleet owns; `-` stands for its name."""
    found = server.get(OWNED, "-n", NAMESPACE, "-l", f"shoal.dev/fleet={fleet}")["items"]
    return {(one["kind"], one["metadata"]["name"].replace(fleet, "-")) for one in found}
