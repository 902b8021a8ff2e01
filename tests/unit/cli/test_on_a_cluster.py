"""`shoal` with a kubeconfig: what is asked of the API server, and what is made of its answers."""

import base64
import json

import pytest
from api_stand_in import api_stand_in
from click.testing import CliRunner

from shoal.cli import main

MODELS = "/apis/shoal.dev/v1alpha1/namespaces/apps/models"
SERVICE = "/api/v1/namespaces/shoal-system/services/web:8000/proxy/apps/triage"
DASHBOARD = "/api/v1/namespaces/shoal-system/services/web-1-head-svc:8265/proxy/api/v0"
URL = "http://web.shoal-system.svc:8000/apps/triage"


@pytest.fixture
def server():
    with api_stand_in() as found:
        yield found


@pytest.fixture
def shoal(server, tmp_path, monkeypatch):
    """A person whose context says the namespace `apps`."""
    monkeypatch.setenv("SHOAL_HOME", str(tmp_path / "no-home"))
    kubeconfig = server.kubeconfig(tmp_path, {"token": "mine"}, namespace="apps")

    def run(*words, **more):
        result = CliRunner().invoke(main, ["--kubeconfig", str(kubeconfig), *words], **more)
        if result.exception and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result

    return run


def a_model(name="triage", ready=True, **spec):
    condition = {
        "type": "Ready",
        "status": "True" if ready else "False",
        "reason": "Ready" if ready else "Loading",
        "message": "",
        "observedGeneration": 1,
        "lastTransitionTime": "2026-01-01T00:00:00Z",
    }
    meta = {"name": name, "namespace": "apps", "generation": 1, "uid": "1"}
    status = {"observedGeneration": 1, "conditions": [condition], "url": URL}
    said = {"source": {"uri": "file:///m"}, "fleet": "web", **spec}
    return {"metadata": meta, "spec": said, "status": status}


def test_the_contexts_namespace_is_meant_where_none_is_said(shoal, server):
    server.answers |= {MODELS: {"items": [a_model()]}, f"{MODELS}/triage": a_model()}
    for words in (["models"], ["model", "triage"]):
        assert shoal("get", *words).stdout.splitlines()[1].startswith("triage")
    assert shoal("wait", "--all", "models", "--for", "condition=Ready").exit_code == 0
    server.answers[MODELS] = {"items": []}
    assert shoal("get", "models").stderr == "No resources found in apps namespace.\n"


def test_resources_are_listed_once(shoal, server):
    server.answers[MODELS] = {"items": [a_model(), a_model("newer", newField=1)]}
    listed = shoal("get", "models")
    assert "triage" in listed.stdout
    assert "newField" in listed.stderr
    assert len(server.asked) == 1


def test_a_manifest_is_deleted_in_its_own_namespace(shoal, server, tmp_path):
    there = MODELS.replace("/apps/", "/ops/") + "/triage"
    server.answers[there] = {}
    meta = {"name": "triage", "namespace": "ops"}
    spec = {"source": {"uri": "file:///m"}}
    manifest = {"apiVersion": "shoal.dev/v1alpha1", "kind": "Model", "metadata": meta, "spec": spec}
    (tmp_path / "model.json").write_text(json.dumps(manifest))
    deleted = shoal("delete", "-f", str(tmp_path / "model.json"))
    assert (deleted.stdout, deleted.stderr) == ('model.shoal.dev "triage" deleted\n', "")


def test_a_cluster_is_not_hurried_by_who_waits(shoal, server):
    server.answers[f"{MODELS}/triage"] = a_model(ready=False)
    waited = shoal("wait", "model/triage", "--for", "condition=Ready", "--timeout", "1500ms")
    assert "timed out" in waited.stderr
    assert len(server.asked) <= 3


def test_a_model_is_asked_by_way_of_the_api_server(shoal, server):
    server.answers |= {f"{MODELS}/triage": a_model(), SERVICE: [{"label": "link", "score": 0.9}]}
    asked = shoal("infer", "model/triage", "--text", "Link down")
    assert json.loads(asked.stdout) == [{"label": "link", "score": 0.9}]
    (request,) = server.requests_to(SERVICE)
    assert (request.method, request.body) == ("POST", {"inputs": "Link down"})
    assert request.headers["authorization"] == "Bearer mine"


def test_tensors_are_asked_by_way_of_the_api_server(shoal, server):
    server.answers |= {f"{MODELS}/triage": a_model(), f"{SERVICE}/v2/models/triage/infer": {}}
    tensor = {"name": "x", "datatype": "FP32", "shape": [1], "data": [0.5]}
    asked = shoal("infer", "model/triage", "--json", json.dumps({"inputs": [tensor]}))
    assert json.loads(asked.stdout) == {}


def test_a_chat_goes_by_way_of_the_api_server(shoal, server):
    pieces = [{"delta": {"content": "Pa"}}, {"delta": {"content": "ris"}, "finish_reason": "stop"}]
    events = [f"data: {json.dumps({'choices': [piece]})}\n\n" for piece in pieces]
    address = f"{SERVICE}/v1/chat/completions"
    server.answers |= {
        f"{MODELS}/triage": a_model(task="text-generation"),
        address: "".join([*events, "data: [DONE]\n\n"]).encode(),
    }
    assert shoal("chat", "model/triage", "The capital of France?").stdout == "Paris\n"
    (request,) = server.requests_to(address)
    assert request.body["messages"] == [{"role": "user", "content": "The capital of France?"}]
    assert request.body["model"] == "triage"


@pytest.fixture
def logging(server):
    """A Fleet whose two Ray nodes have a log of the Model each."""
    service = {
        "metadata": {"namespace": "shoal-system"},
        "status": {"activeServiceStatus": {"rayClusterName": "web-1"}},
    }
    secret = {"data": {"auth_token": base64.b64encode(b"sesame").decode()}}
    nodes = [{"node_id": node, "state": state} for node, state in (("n1", "ALIVE"), ("n0", "DEAD"))]
    files = {"worker_out": [f"serve/replica_apps.triage_Replica_{one}.log" for one in ("b2", "a1")]}
    server.answers |= {
        f"{MODELS}/triage": a_model(),
        "/apis/ray.io/v1/rayservices": {"items": [service]},
        "/api/v1/namespaces/shoal-system/secrets/web-token": secret,
        f"{DASHBOARD}/nodes": {"data": {"result": {"result": nodes}}},
        f"{DASHBOARD}/logs": {"data": {"result": files}},
        f"{DASHBOARD}/logs/file": b"loading\nready\n",
        f"{DASHBOARD}/logs/stream": b"ready\n",
    }
    return server


def test_logs_come_from_rays_dashboard_with_the_fleets_token(shoal, logging):
    told = shoal("logs", "model/triage", "--tail", "2")
    assert told.stdout == "[a1] loading\n[a1] ready\n[b2] loading\n[b2] ready\n"
    (listed,) = logging.requests_to(f"{DASHBOARD}/logs")
    assert listed.query["node_id"] == "n1"
    assert listed.query["glob"] == "serve/replica_apps.triage_Replica_*.log"
    read = logging.requests_to(f"{DASHBOARD}/logs/file")
    assert [one.query["lines"] for one in read] == ["2", "2"]
    for request in (listed, *read):
        assert request.headers["authorization"] == "Bearer mine"
        assert request.headers["x-ray-authorization"] == "Bearer sesame"
    (services,) = logging.requests_to("/apis/ray.io/v1/rayservices")
    assert services.query["labelSelector"] == "shoal.dev/fleet=web"


def test_logs_are_followed_on_all_replicas_at_once(shoal, logging):
    told = shoal("logs", "model/triage", "-f")
    assert sorted(told.stdout.splitlines()) == ["[a1] ready", "[b2] ready"]
    (first, _) = logging.requests_to(f"{DASHBOARD}/logs/stream")
    assert (first.query["lines"], first.query["interval"]) == ("-1", "0.5")


@pytest.mark.parametrize("asked", ["nodes", "logs/file", "logs/stream"])
def test_a_dashboard_that_is_not_reached_is_said_and_why_that_may_be(shoal, logging, asked):
    logging.answers[f"{DASHBOARD}/{asked}"] = 503
    words = ["-f"] if asked == "logs/stream" else []
    told = shoal("logs", "model/triage", *words)
    assert told.exit_code == 1
    assert "does not answer by way of the API server: refused with 503. The Fleet's" in told.stderr
    assert "NetworkPolicy admits KubeRay and the operator's namespace only" in told.stderr


def test_a_connection_that_breaks_is_said(shoal, logging):
    logging.answers[f"{DASHBOARD}/nodes"] = None
    told = shoal("logs", "model/triage")
    assert told.exit_code == 1
    assert "Ray's dashboard does not answer by way of the API server" in told.stderr


def test_who_may_not_use_the_proxy_is_told(shoal, logging):
    logging.answers[f"{DASHBOARD}/nodes"] = 403
    assert shoal("logs", "model/triage").stderr == "error: refused with 403\n"
