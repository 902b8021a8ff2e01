"""Shoal on a node of two processors, as `make cluster` brings it to a person."""

import httpx
import pytest
from shoal_chart import NAMESPACE, SAMPLES
from shoalcluster.installation import apply_samples

PATIENCE_S = 240.0


@pytest.fixture
def address(shoal_node):
    """Of the Fleet, from this machine."""
    shoal_node.wait_for("condition=Ready", "fleet/default", patience_s=PATIENCE_S)
    service = shoal_node.control_plane.get("service", "default", "-n", NAMESPACE)
    return f"http://{service['spec']['clusterIP']}:8000"


def test_every_sample_becomes_ready_and_answers(shoal_node, address):
    apply_samples(shoal_node)
    shoal_node.wait_for("condition=Ready", "model", "--all", patience_s=PATIENCE_S)
    models = shoal_node.control_plane.get("models")["items"]
    assert len(models) == len(list(SAMPLES.glob("*.yaml"))) - 1
    asked = {"inputs": "disk is full"}
    answer = httpx.post(f"{address}/default/alarm-triage", json=asked, timeout=30)
    assert answer.json()[0][0]["label"]
