"""Shoal on a node, installed once for the whole story."""

from collections.abc import Iterator

import pytest
from model_store import model_store
from shoal_on_a_node import FLEET, LITTLE, NAMESPACE, SAMPLES, TEAM, ShoalOnANode
from testcluster.node import Node

TOKEN = "open-sesame"
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
def shoal(node: Node, operator_image, serving_image) -> Iterator[ShoalOnANode]:
    """The chart, installed in a namespace whose Pod Security is restricted."""
    for archive in (operator_image, serving_image):
        node.import_image(archive)
    for namespace in (NAMESPACE, TEAM):
        node.kubectl("create", "namespace", namespace)
    node.kubectl("label", "namespace", NAMESPACE, "pod-security.kubernetes.io/enforce=restricted")
    with model_store(node.network.host, TOKEN) as store:
        shoal = ShoalOnANode(node, store)
        try:
            shoal.install()
            yield shoal
        finally:
            shoal.remove()


@pytest.fixture(scope="module")
def serving(shoal: ShoalOnANode) -> ShoalOnANode:
    """With the Fleet and two sample Models, ready, and a private one that was there before it."""
    shoal.apply_private_model()
    shoal.apply(FLEET_MANIFEST)
    for sample in ("alarm-triage", "digits"):
        shoal.kubectl("apply", "-n", TEAM, "-f", str(SAMPLES / f"{sample}.yaml"))
    shoal.wait_until_ready(f"fleet/{FLEET}", "model/alarm-triage", "model/digits")
    return shoal
