"""Install, upgrade and uninstall, and what of people's own outlives them."""

import re
import shutil

import pytest
import yaml
from machine.commands import CommandFailed
from shoal_chart import CHART, NAMESPACE, RELEASE, SAMPLES, setting
from waiting import eventually

pytestmark = pytest.mark.kubernetes_api

OWN = "app.kubernetes.io/instance=shoal"
NAMESPACED = (
    "deployments,services,serviceaccounts,poddisruptionbudgets,roles,rolebindings,jobs,pods"
)
SHARED = "clusterroles,clusterrolebindings"


def left(cluster):
    """What of the release is there, but for the CRDs."""
    return [
        *cluster.get(NAMESPACED, "-A", "-l", OWN)["items"],
        *cluster.get(SHARED, "-l", OWN)["items"],
    ]


@pytest.fixture
def previous(tmp_path):
    """The chart as it might have been before: its CRDs print no columns of their own."""
    chart = tmp_path / "shoal"
    shutil.copytree(CHART, chart)
    description = chart / "Chart.yaml"
    text = re.sub(r"ersion: [0-9].*", "ersion: 0.0.1", description.read_text())
    description.write_text(text)
    for file in (chart / "files" / "crds").iterdir():
        crd = yaml.safe_load(file.read_text())
        for version in crd["spec"]["versions"]:
            del version["additionalPrinterColumns"]
        file.write_text(yaml.safe_dump(crd))
    return chart


def test_an_upgrade_brings_new_crds_and_touches_no_model(vacant, previous):
    vacant.helm("install", "shoal", str(previous), *RELEASE[2:])
    vacant.kubectl("apply", "-f", str(SAMPLES))
    before = vacant.get("models,fleets")["items"]
    assert "REASON" not in vacant.kubectl("get", "models")
    vacant.helm("upgrade", *RELEASE)
    eventually(lambda: "REASON" in vacant.kubectl("get", "models"))
    assert vacant.get("models,fleets")["items"] == before
    assert before


def test_an_upgrade_that_changes_nothing_changes_nothing(installed):
    before = versions(installed)
    installed.helm("upgrade", *RELEASE)
    assert versions(installed) == before


def versions(cluster):
    """What is written gets a new one; a new generation where there is a status beside."""
    every = (*left(cluster), *cluster.get("crd", "-l", OWN)["items"])
    metas = ((one["kind"], one["metadata"]) for one in every if one["kind"] != "Pod")
    return {
        (kind, meta["name"]): meta.get("generation") or meta["resourceVersion"]
        for kind, meta in metas
    }


def test_models_and_fleets_outlive_the_release_and_are_taken_over_by_the_next(installed):
    installed.kubectl("apply", "-f", str(SAMPLES))
    before = installed.get("models,fleets")["items"]
    said = installed.helm("uninstall", "shoal", "--namespace", NAMESPACE)
    assert "[CustomResourceDefinition] models.shoal.dev" in said
    assert left(installed) == []
    assert installed.get("models,fleets")["items"] == before
    installed.helm("install", *RELEASE)
    assert installed.get("models,fleets")["items"] == before


def test_everything_goes_when_the_crds_are_not_kept(installed):
    installed.kubectl("apply", "-f", str(SAMPLES))
    installed.helm("upgrade", *RELEASE, *setting(crds__keep=False))
    installed.helm("uninstall", "shoal", "--namespace", NAMESPACE, "--wait", "--timeout=60s")
    assert left(installed) == []
    assert installed.get("crd", "-l", OWN)["items"] == []
    with pytest.raises(CommandFailed, match=r"could not find the requested|have a resource"):
        installed.get("models")


def test_what_was_kept_can_be_removed_with_kubectl(installed):
    installed.kubectl("apply", "-f", str(SAMPLES))
    installed.kubectl("delete", "models,fleets", "--all", "--all-namespaces", "--timeout=30s")
    installed.helm("uninstall", "shoal", "--namespace", NAMESPACE)
    crds = ("crd", "models.shoal.dev", "fleets.shoal.dev")
    installed.kubectl("delete", *crds, "--timeout=30s")
    assert installed.get("crd", "-l", OWN)["items"] == []


def test_the_notes_say_what_is_missing_and_what_comes_next(vacant):
    notes = vacant.helm("install", *RELEASE)
    assert "KubeRay is not in this cluster yet" in notes
    assert "kubectl wait --for=condition=Ready fleet/default" in notes
