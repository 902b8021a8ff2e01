"""`make cluster` and `make cluster-down`, as a person types them.

They run in a checkout of their own, so that what somebody keeps running here is not touched.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from shoal_chart import ROOT, SAMPLES
from testcluster.network import LINKS
from testcluster.state import State

pytestmark = [pytest.mark.kubernetes_node, pytest.mark.shoal_images]

NEITHER = (".git", ".venv", ".*_cache", "__pycache__", "*.egg-info")
# What the Makefile runs; the shell reads what it prints.
PROGRAM = (sys.executable, "-m", "shoalcluster")
ASKED = """\
set -e
eval "$("$@" up)"
echo $KUBECONFIG
kubectl get models -o name
helm list --all-namespaces --short
shoal get fleets -o name --kubeconfig $KUBECONFIG
"""


@pytest.fixture
def checkout(tmp_path):
    """A copy of the repository; what it keeps running is ended."""
    copy = tmp_path / "shoal"
    shutil.copytree(ROOT, copy, ignore=shutil.ignore_patterns(*NEITHER))
    yield copy
    down(copy)


def environment(checkout):
    folders = ("tests/cluster", "tests/support", "operator", "serving")
    path = os.pathsep.join(str(checkout / folder) for folder in folders)
    return os.environ | {"PYTHONPATH": path}


def up(checkout):
    """What a shell sees that has read what `up` printed."""
    command = ("bash", "-c", ASKED, "bash", *PROGRAM)
    done = subprocess.run(
        command, cwd=checkout, env=environment(checkout), capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.split(), done.stderr


def down(checkout):
    subprocess.run((*PROGRAM, "down"), cwd=checkout, env=environment(checkout), check=True)


def test_a_cluster_is_started_found_again_and_ended_without_a_trace(checkout):
    (kubeconfig, *told), _ = up(checkout)
    state = State(Path(kubeconfig).parent)
    models = [f"model.shoal.dev/{file.stem}" for file in SAMPLES.glob("*.yaml")]
    models.remove("model.shoal.dev/fleet")
    assert sorted(told) == sorted([*models, "shoal", "fleet.shoal.dev/default"])
    assert traces(state) == {"folder", "processes", "links", "cgroups"}
    again, said = up(checkout)
    assert again == [kubeconfig, *told]
    assert "it is running already" in said
    down(checkout)
    assert traces(state) == set()


def traces(state):
    """Where something of a cluster is left on this machine."""
    cables = (alias.read_text().strip() for alias in LINKS.glob("shoal*/ifalias"))
    left = {
        "folder": state.root.exists(),
        "processes": bool(state.processes()),
        "links": state.name in cables,
        "cgroups": any(Path("/sys/fs/cgroup").rglob(state.name)),
    }
    return {what for what, there in left.items() if there}
