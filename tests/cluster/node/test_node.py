"""The harness itself: a node runs pods, as any does, and leaves nothing on this machine."""

import http
import ipaddress
import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest
from testcluster import images
from testcluster.state import State, sweep

ENCLOSED = """
import sys
from testcluster.namespaces import Namespaces
from testcluster.network import free_network
from machine.cache import locked
from testcluster.state import LOCK, State

state = State.create()
with locked(LOCK):
    network = free_network()
    namespaces = Namespaces(state, network)
    namespaces.start()
print(state.root, network.link, flush=True)
namespaces.run("sleep", "600")
"""


def pod(name, **container):
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": "default"},
        "spec": {
            "terminationGracePeriodSeconds": 1,
            "containers": [
                {"name": "pause", "image": images.PAUSE, "imagePullPolicy": "Never", **container}
            ],
        },
    }


@pytest.fixture
def running(node):
    """Applies a pod and waits until it is Ready; it is gone after the test."""
    names = []

    def run(name, **container):
        names.append(name)
        node.control_plane.apply(pod(name, **container))
        node.wait_for("condition=Ready", f"pod/{name}")
        return node.control_plane.get("pod", name)

    yield run
    if names:
        node.kubectl("delete", "pod", *names)


def service(node, namespace, name):
    return node.control_plane.get("service", name, "-n", namespace)["spec"]["clusterIP"]


def resolve(server, name):
    """The address that a DNS server gives for a name."""
    labels = b"".join(bytes([len(label)]) + label.encode() for label in name.split("."))
    header = b"\0\7" + b"\1\0" + b"\0\1" + b"\0\0" * 3
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        asking.settimeout(10)
        asking.sendto(header + labels + b"\0" + b"\0\1" + b"\0\1", (server, 53))
        return str(ipaddress.IPv4Address(asking.recv(512)[-4:]))


def test_a_pod_runs_and_its_address_is_of_this_node(node, running):
    address = ipaddress.ip_address(running("runs")["status"]["podIP"])
    assert address in node.network.pods


def test_names_of_services_resolve_and_their_addresses_answer(node):
    dns = service(node, "kube-system", "kube-dns")
    address = resolve(dns, "kuberay-operator.ray-system.svc.cluster.local")
    assert address == service(node, "ray-system", "kuberay-operator")
    assert httpx.get(f"http://{address}:8080/metrics").status_code == http.HTTPStatus.OK


def test_logs_are_read(node):
    logs = node.kubectl("logs", "-n", "ray-system", "deployment/kuberay-operator")
    assert "RayService" in logs


def test_limits_of_memory_are_the_kernels(node, running):
    running("limited", resources={"limits": {"memory": "32Mi"}})
    groups = [one for one in Path("/sys/fs/cgroup").rglob(node.state.name) if one.is_dir()]
    kinds = ("memory.limit_in_bytes", "memory.max")
    limits = [file.read_text() for one in groups for kind in kinds for file in one.rglob(kind)]
    assert f"{32 * 2**20}\n" in limits


def test_pods_outlive_the_api_server(node, running):
    before = running("outlives")["status"]["containerStatuses"]
    node.control_plane.restart_api_server()
    node.wait_for("condition=Ready", "pod/outlives")
    assert node.control_plane.get("pod", "outlives")["status"]["containerStatuses"] == before


def test_a_claim_gets_a_volume_that_its_group_writes(node):
    claim = {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": "claimed", "namespace": "default"},
        "spec": {
            "accessModes": ["ReadWriteOnce"],
            "resources": {"requests": {"storage": "1Gi"}},
        },
    }
    claiming = pod("claims", volumeMounts=[{"name": "data", "mountPath": "/data"}])
    source = {"persistentVolumeClaim": {"claimName": "claimed"}}
    claiming["spec"] |= {
        "securityContext": {"fsGroup": 4321},
        "volumes": [{"name": "data"} | source],
    }
    node.control_plane.apply(claim, claiming)
    node.wait_for("condition=Ready", "pod/claims")
    volume = node.control_plane.get("pvc", "claimed")["spec"]["volumeName"]
    path = Path(node.control_plane.get("pv", volume)["spec"]["local"]["path"])
    assert path.stat().st_gid == 4321
    node.kubectl("delete", "pod/claims", "pvc/claimed")


def test_a_pod_gets_pretended_gpus(node, running):
    node.pretend_gpus(2, "NVIDIA-L4", 23034)
    running("sees", resources={"limits": {"nvidia.com/gpu": "1"}})
    labels = node.control_plane.get("node", "node-0")["metadata"]["labels"]
    assert labels["nvidia.com/gpu.product"] == "NVIDIA-L4"
    node.pretend_gpus(0, "NVIDIA-L4", 23034)
    had = node.control_plane.get("node", "node-0")
    assert "nvidia.com/gpu" not in had["status"]["capacity"]
    assert "nvidia.com/gpu.product" not in had["metadata"]["labels"]


def test_what_it_listens_at_and_its_rules_are_not_this_machines(node):
    def rules(lines):
        return [line for line in lines.splitlines() if "KUBE" in line or "CNI" in line]

    assert rules(node.run("iptables-save"))
    assert not rules(subprocess.run("iptables-save", capture_output=True, text=True).stdout)
    assert "cni0" in node.run("ip", "-json", "link")
    assert "cni0" not in subprocess.run(("ip", "link"), capture_output=True, text=True).stdout


@pytest.mark.kubernetes_node
def test_namespaces_vanish_with_their_owner():
    path = os.pathsep.join(sys.path)
    owner = subprocess.Popen(
        [sys.executable, "-c", ENCLOSED],
        env=os.environ | {"PYTHONPATH": path},
        stdout=subprocess.PIPE,
        text=True,
    )
    root, link = owner.stdout.readline().split()
    assert Path("/sys/class/net", link).exists()
    owner.kill()
    owner.communicate()
    deadline = time.monotonic() + 30
    while Path(root).exists():
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert not Path("/sys/class/net", link).exists()
    assert not State(Path(root)).processes()
    sweep()
