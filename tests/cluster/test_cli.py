"""`shoal` on a real API server: the same words as at home, with the person's kubeconfig."""

import json

import pytest
import yaml
from click.testing import CliRunner

from shoal.cli import main

MODEL = """\
apiVersion: shoal.dev/v1alpha1
kind: Model
metadata: {name: NAME}
spec:
  source: {uri: 'file:///opt/shoal/samples/digits'}
"""


@pytest.fixture(scope="module")
def server(control_plane):
    control_plane.install_shoal_crds()
    return control_plane


@pytest.fixture
def namespace(server, request):
    name = f"cli-{abs(hash(request.node.name)) % 10**8}"
    server.kubectl("create", "namespace", name)
    return name


@pytest.fixture
def shoal(server, namespace, monkeypatch, tmp_path):
    """Runs a command in the namespace; gives its exit code and its two outputs."""
    monkeypatch.setenv("SHOAL_HOME", str(tmp_path / "no-home"))

    def run(*words, kubeconfig=server.kubeconfig, **more):
        options = ["--kubeconfig", str(kubeconfig), "-n", namespace]
        result = CliRunner().invoke(main, [*options, *words], **more)
        if result.exception and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result

    return run


@pytest.fixture
def manifest(tmp_path):
    def write(name="digits", more=""):
        path = tmp_path / f"{name}.yaml"
        path.write_text(MODEL.replace("NAME", name) + more)
        return str(path)

    return write


def test_a_model_is_applied_read_scaled_and_deleted(shoal, manifest):
    applied = [shoal("apply", "-f", manifest()).stdout for _ in range(2)]
    assert applied == [f"model.shoal.dev/digits {verb}\n" for verb in ("created", "unchanged")]
    changed = shoal("apply", "-f", manifest(more="  suspend: true\n"))
    assert changed.stdout == "model.shoal.dev/digits configured\n"
    assert shoal("scale", "model/digits", "--replicas", "3").stdout.endswith("scaled\n")
    model = json.loads(shoal("get", "model", "digits", "-o", "json").stdout)
    assert (model["spec"]["replicas"], model["spec"]["suspend"]) == (3, True)
    assert shoal("get", "models").stdout.splitlines()[1].startswith("digits")
    assert shoal("delete", "model", "digits").stdout == 'model.shoal.dev "digits" deleted\n'
    assert shoal("get", "model", "digits").exit_code == 1


def test_what_is_not_there_is_said_as_kubectl_says_it(shoal):
    missing = shoal("get", "model", "nobody")
    assert missing.stderr == 'Error from server (NotFound): models.shoal.dev "nobody" not found\n'
    assert shoal("delete", "model", "nobody").exit_code == 1


def test_a_manifest_that_breaks_the_contract_never_reaches_the_server(shoal, manifest):
    refused = shoal("apply", "-f", manifest(more="  replicas: 1\n  scaling: {}\n"))
    assert refused.exit_code == 1
    assert "expected replicas or scaling, but not both" in refused.stderr


def test_what_the_server_refuses_is_said_with_its_words(shoal, manifest, server):
    shoal("apply", "-f", manifest(more="  scaling: {maxReplicas: 2}\n"))
    refused = shoal("scale", "model/digits", "--replicas", "3")
    assert refused.exit_code == 1
    assert "replicas or scaling, but not both" in refused.stderr


def test_waiting_ends_with_the_reason(shoal, manifest):
    shoal("apply", "-f", manifest())
    waited = shoal("wait", "model/digits", "--for", "condition=Ready", "--timeout", "500ms")
    assert waited.exit_code == 1
    assert "timed out" in waited.stderr


def test_events_of_the_operator_are_described(shoal, manifest, server, namespace):
    shoal("apply", "-f", manifest())
    uid = server.get("models", "digits", "-n", namespace)["metadata"]["uid"]
    server.apply(
        {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {"name": "digits.1", "namespace": namespace},
            "involvedObject": {
                "apiVersion": "shoal.dev/v1alpha1",
                "kind": "Model",
                "name": "digits",
                "namespace": namespace,
                "uid": uid,
            },
            "type": "Normal",
            "reason": "Loading",
            "message": "replicas are loading",
            "count": 2,
            "firstTimestamp": "2026-01-01T00:00:00Z",
            "lastTimestamp": "2026-01-01T00:01:00Z",
        }
    )
    described = shoal("describe", "model", "digits").stdout
    assert "Loading" in described
    assert "replicas are loading" in described


def test_rights_that_do_not_reach_are_said(shoal, server):
    refused = shoal("get", "models", kubeconfig=server.kubeconfig_of_user("nobody"))
    assert refused.exit_code == 1
    assert 'User "nobody" cannot list resource "models"' in refused.stderr


def test_a_file_address_is_left_as_it_is_written(shoal, tmp_path):
    path = tmp_path / "relative.yaml"
    path.write_text(MODEL.replace("NAME", "relative").replace("file:///opt", "file:opt"))
    shoal("apply", "-f", str(path))
    model = json.loads(shoal("get", "model", "relative", "-o", "json").stdout)
    assert model["spec"]["source"]["uri"] == "file:opt/shoal/samples/digits"


def test_a_model_that_is_not_ready_is_not_asked(shoal, manifest):
    shoal("apply", "-f", manifest())
    asked = shoal("infer", "model/digits", "--text", "x")
    assert asked.exit_code == 1
    assert "models/digits is not ready" in asked.stderr


def test_a_cluster_that_does_not_answer_is_said(shoal, tmp_path, server):
    gone = tmp_path / "kubeconfig"
    port = server.url.rpartition(":")[2]
    gone.write_text(server.kubeconfig.read_text().replace(f":{port}", ":1"))
    failed = shoal("get", "models", kubeconfig=gone)
    assert failed.exit_code == 1
    assert "does not answer" in failed.stderr


def a_changed_kubeconfig(server, path, **cluster):
    config = yaml.safe_load(server.kubeconfig.read_text())
    config["clusters"][0]["cluster"] |= cluster
    path.write_text(yaml.safe_dump(config))
    return path


def test_a_token_of_a_service_account_says_who_one_is(shoal, server, namespace, tmp_path):
    config = yaml.safe_load(server.kubeconfig.read_text())
    server.kubectl("create", "serviceaccount", "mine", "-n", namespace)
    token = server.kubectl("create", "token", "mine", "-n", namespace).strip()
    config["users"][0]["user"] = {"token": token}
    path = tmp_path / "token"
    path.write_text(yaml.safe_dump(config))
    refused = shoal("get", "models", kubeconfig=path)
    assert f'User "system:serviceaccount:{namespace}:mine" cannot list' in refused.stderr


def test_the_servers_certificate_must_have_the_name_that_the_kubeconfig_says(
    shoal, server, tmp_path
):
    changed = {"tls-server-name": "another.invalid"}
    kubeconfig = a_changed_kubeconfig(server, tmp_path / "it", **changed)
    failed = shoal("get", "models", kubeconfig=kubeconfig)
    assert failed.exit_code == 1
    assert "another.invalid" in failed.stderr


@pytest.mark.parametrize("told", ["option", "environment"])
def test_a_context_says_which_cluster_and_namespace(server, namespace, tmp_path, monkeypatch, told):
    config = yaml.safe_load(server.kubeconfig.read_text())
    (current,) = config["contexts"]
    context = {**current["context"], "namespace": namespace}
    config["contexts"] = [{"name": "mine", "context": context}]
    config["current-context"] = ""
    path = tmp_path / "config"
    path.write_text(yaml.safe_dump(config))
    monkeypatch.setenv("KUBECONFIG", str(path))
    options = ["--kube-context", "mine"] if told == "option" else []
    if told == "environment":
        monkeypatch.setenv("SHOAL_KUBE_CONTEXT", "mine")
    manifest = tmp_path / "model.yaml"
    manifest.write_text(MODEL.replace("NAME", "digits"))
    for words in (["apply", "-f", str(manifest)], ["get", "models"], ["get", "model", "digits"]):
        result = CliRunner().invoke(main, [*words, *options])
        assert (result.exit_code, result.stderr) == (0, "")
        assert "digits" in result.stdout
    assert server.get("model", "digits", "-n", namespace)
