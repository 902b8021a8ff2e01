"""What the chart renders, without a cluster."""

import json

import pytest
from machine.commands import CommandFailed
from shoal_chart import (
    CHART,
    EVERYTHING,
    GOLDEN,
    INSTALL,
    NAMESPACE,
    documents,
    everything,
    helm,
    install_manifest,
    of_kind,
    render,
    setting,
)

pytestmark = pytest.mark.kubernetes_api

REFUSED = {
    "replicas": ({"replicas": "two"}, r"at '/replicas': got string, want integer"),
    "a name that is not there": ({"replica": 1}, r"additional properties 'replica' not allowed"),
    "pull policy": ({"image__pullPolicy": "Often"}, r"/image/pullPolicy': value must be one of"),
    "namespace": (
        {"rbac__secretNamespaces": ["Ops"]},
        r"/rbac/secretNamespaces/0': 'Ops' does not",
    ),
    "duration": ({"resync": "soon"}, r"at '/resync': 'soon' does not match pattern"),
    "no time at all": ({"resync": "0s"}, r"at '/resync': '0s' does not match pattern"),
    "a registry's URL": (
        {"imageRegistry": "https://registry.example.com/"},
        r"at '/imageRegistry': 'https://registry.example.com/' does not match pattern",
    ),
    "nobody may be away": (
        {"podDisruptionBudget__maxUnavailable": 0},
        r"at '/podDisruptionBudget/maxUnavailable': minimum: got 0, want 1",
    ),
    "no percent may be away": (
        {"podDisruptionBudget__maxUnavailable": "0%"},
        r"at '/podDisruptionBudget/maxUnavailable': '0%' does not match pattern",
    ),
    "digest": ({"image__digest": "sha256:1"}, r"at '/image/digest': 'sha256:1' does not match"),
    "two without a leader": (
        {"leaderElection": False},
        r"replicas is 2 without leaderElection: .* Set replicas to 1, or leaderElection to true",
    ),
    "no account": (
        {"serviceAccount__create": False},
        r"serviceAccount.name is empty: name an account that exists",
    ),
    "a Fleet out of reach": (
        {"rbac__fleetNamespaces": ["ml"]},
        r"would run in namespace shoal-system, .* add it to rbac.fleetNamespaces",
    ),
}


@pytest.mark.parametrize("values", [(), ("--values", str(EVERYTHING))], ids=["default", "all"])
def test_lint_has_nothing_to_say(values):
    said = helm("lint", "--strict", "--kube-version", "1.36.0", str(CHART), *values)
    assert "0 chart(s) failed" in said


def test_install_yaml_is_what_the_chart_renders():
    assert INSTALL.read_text() == install_manifest(), "run `make manifests`"


def test_every_value_has_its_place():
    assert (GOLDEN / "everything.yaml").read_text() == everything(), "run `make manifests`"


@pytest.mark.parametrize(("values", "sentence"), REFUSED.values(), ids=REFUSED)
def test_wrong_values_are_refused_with_a_sentence(values, sentence):
    with pytest.raises(CommandFailed, match=sentence):
        render(*setting(**values))


def test_every_image_comes_from_the_registry_that_is_said():
    text = render(*setting(imageRegistry="registry.example.com"))
    images = {line.strip() for line in text.splitlines() if "image" in line and "/" in line}
    assert images == {
        "image: registry.example.com/shoal-operator:0.1.0",
        "- --serving-image=registry.example.com/shoal-serving:0.1.0",
    }


def default_fleet(*options):
    """The Fleet that the chart's Job applies."""
    (job,) = of_kind("Job", render(*options))
    (variable,) = job["spec"]["template"]["spec"]["containers"][0]["env"]
    return json.loads(variable["value"])["spec"]


def test_the_default_fleet_takes_its_image_with_the_secrets_of_the_operator():
    secrets = setting(imagePullSecrets=[{"name": "one"}, {"name": "two"}])
    assert default_fleet(*secrets)["ray"] == {"imagePullSecrets": ["one", "two"]}
    own = setting(defaultFleet__spec__ray={"imagePullSecrets": ["own"], "version": "2.60.0"})
    said = {"imagePullSecrets": ["own"], "version": "2.60.0"}
    assert default_fleet(*secrets, *own)["ray"] == said
    assert "ray" not in default_fleet()


def test_rights_are_left_to_others_if_it_is_said_so():
    text = render(*setting(rbac__create=False))
    kinds = {one["kind"] for one in documents(text)}
    assert not kinds & {"Role", "RoleBinding", "ClusterRole", "ClusterRoleBinding"}
    accounts = {one["metadata"]["name"] for one in of_kind("ServiceAccount", text)}
    assert accounts == {"shoal-operator", "shoal-default-fleet", "shoal-test"}


def test_fleets_are_measured_where_they_may_run():
    def where(*options):
        (monitor,) = of_kind("PodMonitor", render(*setting(serviceMonitor__enabled=True), *options))
        return monitor["spec"]["namespaceSelector"]

    assert where() == {"matchNames": [NAMESPACE]}
    assert where(*setting(rbac__fleetNamespaces=["*"])) == {"any": True}


def test_nothing_is_fetched_to_install_it():
    assert not (CHART / "charts").exists()
    assert "dependencies" not in documents((CHART / "Chart.yaml").read_text())[0]


def test_crds_are_kept_unless_it_is_said_otherwise():
    def policies(*options):
        crds = of_kind("CustomResourceDefinition", render(*options))
        annotations = (one["metadata"].get("annotations") or {} for one in crds)
        return {each.get("helm.sh/resource-policy") for each in annotations}

    assert policies() == {"keep"}
    assert policies(*setting(crds__keep=False)) == {None}
    assert policies(*setting(crds__install=False)) == set()


def test_a_release_of_another_name_is_named_after_it():
    deployments = of_kind("Deployment", render(release="ai"))
    names = {one["metadata"]["name"] for one in deployments}
    assert names == {"ai-shoal-operator"}
