"""Shoal on a node, installed once for the whole story."""

from collections.abc import Iterator

import pytest
from model_store import classifier, model_store
from shoal_chart import SAMPLES
from shoal_on_a_node import FLEET, LITTLE, TEAM, ShoalOnANode, eventually
from shoalcluster.installation import prepare
from testcluster.node import Node

TOKEN = "open-sesame"
NO_SPACE = "/no-space.tar.gz"
FLEET_MANIFEST = {
    "apiVersion": "shoal.dev/v1alpha1",
    "kind": "Fleet",
    "metadata": {"name": FLEET},
    "spec": {
        "durability": {"rocksDB": {"size": "1Gi"}},
        "allowedNamespaces": {"matchLabels": {"kubernetes.io/metadata.name": TEAM}},
        "head": {"resources": {"cpu": "200m", "memory": "2Gi"}},
        "pools": [
            {
                "name": "cpu",
                "workers": {"min": 2, "max": 2},
                "resources": {"cpu": "4", "memory": "4Gi"},
                "template": {"spec": {"containers": [LITTLE]}},
            }
        ],
    },
}


@pytest.fixture(scope="module")
def shoal(node: Node) -> Iterator[ShoalOnANode]:
    """The chart, installed in a namespace whose Pod Security is restricted."""
    prepare(node)
    node.kubectl("create", "namespace", TEAM)
    with model_store(node.network.host, TOKEN) as store:
        shoal = ShoalOnANode(node, store)
        try:
            shoal.install()
            yield shoal
        finally:
            shoal.remove()


@pytest.fixture
def told_apart(serving: ShoalOnANode) -> str:
    """alarm-triage is of a revision that answers `no_space`; where that is from."""
    uri = serving.store.put(NO_SPACE, classifier("no_space"))
    serving.patch("model", "alarm-triage", {"source": {"uri": uri}})
    serving.wait_until_ready("model/alarm-triage")
    return uri


@pytest.fixture
def twice(serving: ShoalOnANode) -> None:
    """alarm-triage has two replicas, and both serve."""
    serving.patch("model", "alarm-triage", {"replicas": 2})
    serving.wait_until_ready("model/alarm-triage")
    eventually(lambda: serving.ready_replicas("alarm-triage") == 2, "two replicas serve")


@pytest.fixture(scope="module")
def serving(shoal: ShoalOnANode) -> ShoalOnANode:
    """With the Fleet and two sample Models, ready, and a private one that was there before it."""
    shoal.apply_private_model()
    shoal.apply(FLEET_MANIFEST)
    for sample in ("alarm-triage", "digits"):
        shoal.kubectl("apply", "-n", TEAM, "-f", str(SAMPLES / f"{sample}.yaml"))
    shoal.wait_until_ready(f"fleet/{FLEET}", "model/alarm-triage", "model/digits")
    return shoal
