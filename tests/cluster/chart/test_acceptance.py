"""A real API server takes what the chart renders, install.yaml and every sample."""

import json

import pytest
import yaml
from shoal_chart import EVERYTHING, INSTALL, NAMESPACE, SAMPLES, documents, render, stand_in_crd

pytestmark = pytest.mark.kubernetes_api


def check(cluster, text):
    cluster.kubectl("apply", "--dry-run=server", "--validate=strict", "-f", "-", stdin=text)


@pytest.mark.parametrize("values", [(), ("--values", str(EVERYTHING))], ids=["default", "all"])
def test_what_is_rendered_is_valid(vacant, values):
    monitors = ("ServiceMonitor", "PodMonitor")
    vacant.apply(*(stand_in_crd("monitoring.coreos.com", kind) for kind in monitors))
    vacant.kubectl("wait", "--for=condition=Established", "crd", "--all", "--timeout=30s")
    # A pod wants its account to be there; those of the chart have a test of their own.
    check(vacant, yaml.safe_dump_all(x for x in documents(render(*values)) if x["kind"] != "Pod"))


def test_install_yaml_can_be_applied_at_once_and_again(fresh_control_plane):
    for _ in range(2):
        fresh_control_plane.kubectl("apply", "--server-side", "-f", str(INSTALL))
    assert fresh_control_plane.get("deployments", "-n", NAMESPACE)["items"]
    assert fresh_control_plane.get("models", "-A")["items"] == []
    fresh_control_plane.kubectl("delete", "-f", str(INSTALL), "--timeout=60s")


def pods(text):
    for one in documents(text):
        if one["kind"] == "Pod":
            yield one["spec"]
        elif one["kind"] in ("Deployment", "Job"):
            yield one["spec"]["template"]["spec"]


@pytest.mark.parametrize("values", [(), ("--values", str(EVERYTHING))], ids=["default", "all"])
def test_its_pods_are_admitted_where_pod_security_is_restricted(cluster, values):
    specs = list(pods(render(*values)))
    assert len(specs) == 3
    for spec in specs:
        body = {"apiVersion": "v1", "kind": "Pod", "metadata": {"generateName": "p-"}}
        with_default_account = {**spec, "serviceAccountName": "default"}
        manifest = json.dumps({**body, "spec": with_default_account})
        create = ("create", "--dry-run=server", "-n", NAMESPACE, "-f", "-")
        cluster.kubectl(*create, stdin=manifest)


def test_every_sample_is_taken(installed):
    for sample in sorted(SAMPLES.rglob("*.yaml")):
        check(installed, sample.read_text())
        installed.kubectl("apply", "-f", str(sample))
