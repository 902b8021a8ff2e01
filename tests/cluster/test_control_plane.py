"""The harness itself: an API server that starts, breaks as it is told, and leaves nothing."""

import http
import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
from machine.commands import CommandFailed
from testcluster.control_plane import ControlPlane
from testcluster.state import MARK, State, all_states, sweep
from waiting import eventually

OWNER = """
import os, sys
from testcluster.control_plane import ControlPlane
running = ControlPlane(controller_manager=False).start()
print(running.state.root, running.state.reaper.pid, flush=True)
sys.stdin.read()
"""


@pytest.fixture(scope="module")
def another():
    """One that tests break and mend again."""
    with ControlPlane(controller_manager=False) as running:
        yield running


@pytest.fixture
def owner():
    """Another process with a control plane: itself, the folder, and its reaper."""
    path = os.pathsep.join(sys.path)
    process = subprocess.Popen(
        [sys.executable, "-c", OWNER],
        env=os.environ | {"PYTHONPATH": path},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    root, reaper = process.stdout.readline().split()
    yield process, Path(root), psutil.Process(int(reaper))
    process.kill()
    process.communicate()
    sweep()


def marked(root):
    return State(root).processes()


def test_it_answers_kubectl_and_helm(control_plane):
    assert "default" in control_plane.kubectl("get", "namespaces", "-o", "name")
    assert control_plane.helm("list", "-q") == ""


def test_a_refusal_says_what_kubectl_says(control_plane):
    with pytest.raises(CommandFailed, match='namespaces "no-such" not found'):
        control_plane.kubectl("get", "namespace", "no-such")


def test_the_controller_manager_makes_service_accounts(control_plane):
    control_plane.kubectl("create", "namespace", "with-account")
    eventually(lambda: control_plane.get("serviceaccounts", "-n", "with-account")["items"])


def test_a_service_account_and_a_user_are_who_they_are(control_plane):
    control_plane.kubectl("create", "namespace", "people")
    control_plane.kubectl("create", "serviceaccount", "robot", "-n", "people")
    robot = control_plane.kubeconfig_of_service_account("people", "robot")
    ann = control_plane.kubeconfig_of_user("ann", "readers")

    def who(kubeconfig):
        return control_plane.kubectl("auth", "whoami", kubeconfig=kubeconfig)

    assert "system:serviceaccount:people:robot" in who(robot)
    assert "ann" in who(ann)
    assert "readers" in who(ann)


def test_two_run_side_by_side(control_plane, another):
    control_plane.kubectl("create", "configmap", "here", "--from-literal=a=b")
    with pytest.raises(CommandFailed, match="not found"):
        another.kubectl("get", "configmap", "here")


def test_what_is_stored_outlives_the_api_server(another):
    another.kubectl("create", "configmap", "kept", "--from-literal=a=b")
    url = another.url
    another.restart_api_server()
    another.kill_api_server()
    assert not another.ready()
    another.start_api_server()
    assert another.url == url
    assert another.get("configmap", "kept")["data"] == {"a": "b"}


def test_a_paused_api_server_is_silent_and_comes_back(another):
    another.pause_api_server()
    with pytest.raises(CommandFailed, match=r"[Tt]imeout|deadline"):
        another.kubectl("get", "--raw", "/readyz", "--request-timeout=1s")
    another.resume_api_server()
    assert another.request("GET", "/readyz")[0] == http.HTTPStatus.OK


def test_kuberay_knows_its_resources(control_plane):
    control_plane.install_kuberay_crds()
    assert control_plane.get("rayservices")["kind"] == "List"


@pytest.mark.kubernetes_api
def test_stopping_leaves_nothing():
    with ControlPlane() as running:
        root = running.state.root
        assert marked(root)
    assert not root.exists()
    assert not marked(root)


def test_a_cluster_ends_when_its_owner_is_killed(control_plane, owner):
    process, root, _ = owner
    process.kill()
    process.wait()
    eventually(lambda: not root.exists())
    assert not marked(root)
    assert control_plane.ready()


def test_what_a_dead_owner_left_is_ended_by_the_next_start(control_plane, owner):
    process, root, reaper = owner
    reaper.send_signal(signal.SIGKILL)
    process.kill()
    process.wait()
    assert marked(root)
    with ControlPlane(controller_manager=False):
        assert not root.exists()
        assert not marked(root)
    assert control_plane.ready()


@pytest.mark.kubernetes_api
def test_the_living_are_left_alone(owner):
    process, root, _ = owner
    sweep()
    assert process.poll() is None
    assert root in [state.root for state in all_states()]
    assert {one.environ()[MARK] for one in marked(root)} == {str(root)}


def test_a_kept_cluster_outlives_its_maker_and_belongs_to_the_checkout(monkeypatch):
    made = State.create()
    kept = subprocess.Popen(["sleep", "600"], env=os.environ | made.environment)
    try:
        made.keep()
        with monkeypatch.context() as elsewhere:
            elsewhere.setattr("testcluster.state.CHECKOUT", Path("/another"))
            assert not made.is_kept_here()
            sweep()
        assert kept.poll() is None
        assert made.is_kept_here()
    finally:
        made.end()
        kept.wait(10)
    assert not made.root.exists()
