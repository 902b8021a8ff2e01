"""Models and Fleets as people who have kubectl meet them: shown, scaled, changed."""

import json
import time
import uuid

import pytest
from machine.commands import CommandFailed
from refused import URI, a_chat, a_fleet, a_model

from shoal.api import Model, parse_resource

TO_STATUS = ("--subresource=status", "--type=merge", "-p")
STATUS = {
    "status": {
        "observedGeneration": 1,
        "conditions": [
            {"type": "Accepted", "status": "False", "reason": "Accepted"},
            {"type": "Ready", "status": "True", "reason": "Ready"},
        ],
        "replicas": {"desired": 2, "ready": 1},
        "placement": {"pool": "l4", "gpuMemory": "6Gi", "gpuShare": 0.26},
        "url": "http://fleet:8000",
        "revision": "8f3c2a1",
    }
}


@pytest.fixture(autouse=True, scope="module")
def crds(control_plane):
    control_plane.install_shoal_crds()


@pytest.fixture
def models(control_plane):
    """Kubectl in a namespace of the test's own; a manifest is its input, and is called echo."""
    namespace = f"test-{uuid.uuid4().hex[:8]}"
    control_plane.kubectl("create", "namespace", namespace)

    def kubectl(*words, manifest=None):
        said = json.dumps({**manifest, "metadata": {"name": "echo"}}) if manifest else None
        return control_plane.kubectl("-n", namespace, *words, stdin=said)

    yield kubectl
    control_plane.kubectl("delete", "namespace", namespace, "--wait=false")


@pytest.fixture
def fleet(control_plane):
    """The name of a Fleet of the test's own."""
    name = f"test-{uuid.uuid4().hex[:8]}"
    yield name
    control_plane.kubectl("delete", "fleet", name, "--ignore-not-found")


@pytest.fixture(scope="module")
def explain(control_plane):
    """`kubectl explain`; an API server tells of new kinds there a moment after it serves them."""
    deadline = time.monotonic() + 30
    while "/apis/shoal.dev/v1alpha1" not in control_plane.kubectl("get", "--raw", "/openapi/v3"):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    return lambda *words: control_plane.kubectl("explain", *words)


@pytest.mark.parametrize(
    ("path", "sentences"),
    [
        ("models.spec", ["What to serve and how.", "task", "What a model means"]),
        (
            "mdl.spec.source.uri",
            ["A `file:`, `http://` or `https://` address of a folder's archive"],
        ),
        ("models.spec.generation.adapters", ["LoRA adapters that are served beside the model"]),
        ("models.status.conditions", ["What is true of it, and why.", "Why, in sentences"]),
        ("fleets.spec.pools.workers", ["How many workers a pool has.", "also while nobody needs"]),
        ("flt.spec.cache", ["exactly one of these; an emptyDir of 20Gi if none is said"]),
    ],
)
def test_kubectl_explains_a_field(explain, path, sentences):
    said = " ".join(explain(path).split())
    assert [sentence for sentence in sentences if sentence not in said] == []


def test_kubectl_explains_all_fields(explain):
    said = explain("model.spec", "--recursive")
    assert "kvCache\t<string>\n    enum: auto, int8" in said
    assert "uri\t<string> -required-" in said


def test_kubectl_tries_out_on_the_server(models):
    said = models("apply", "--dry-run=server", "-f", "-", "-o", "json", manifest=a_model())
    assert json.loads(said)["spec"]["batching"]["maxBatchSize"] == 32
    assert models("get", "models", "-o", "name") == ""


def cells(line):
    return " ".join(line.split())


def test_kubectl_gets_models_with_their_columns(models):
    models("apply", "-f", "-", manifest=a_model())
    models("patch", "mdl/echo", *TO_STATUS, json.dumps(STATUS))
    titles, row = models("get", "mdl", "-o", "wide").splitlines()
    assert cells(titles) == "NAME READY REASON TASK REPLICAS GPU URL REVISION AGE"
    assert cells(row).startswith("echo True Ready tensor 1 6Gi http://fleet:8000 8f3c2a1 ")
    titles, row = models("get", "shoal").splitlines()
    assert cells(titles) == "NAME READY REASON TASK REPLICAS GPU AGE"


def test_a_model_with_whole_gpus_shows_how_many(models):
    models("apply", "-f", "-", manifest=a_model())
    placed = {"status": {"placement": {"pool": "h100", "gpus": 2}}}
    models("patch", "mdl/echo", *TO_STATUS, json.dumps(placed))
    assert cells(models("get", "mdl", "--no-headers")).startswith("echo tensor 0 2 ")


def test_kubectl_gets_fleets_with_their_columns(control_plane, fleet):
    control_plane.apply(a_fleet(fleet))
    status = {
        "conditions": [{"type": "Ready", "status": "Unknown", "reason": "Provisioning"}],
        "models": {"total": 3, "ready": 2},
        "workers": {"desired": 5, "ready": 4},
        "gpus": 8,
    }
    patch = json.dumps({"status": status})
    control_plane.kubectl("patch", f"flt/{fleet}", *TO_STATUS, patch)
    titles, row = control_plane.kubectl("get", "flt", fleet).splitlines()
    assert cells(titles) == "NAME READY REASON MODELS WORKERS GPUS AGE"
    assert cells(row).startswith(f"{fleet} Unknown Provisioning 2 4 8 ")


def test_kubectl_scales_a_model(models):
    models("apply", "-f", "-", manifest=a_model())
    models("patch", "mdl/echo", *TO_STATUS, json.dumps(STATUS))
    models("scale", "mdl/echo", "--replicas=3")
    scale = json.loads(models("get", "mdl/echo", "--subresource=scale", "-o", "json"))
    assert (scale["spec"]["replicas"], scale["status"]["replicas"]) == (3, 1)
    assert json.loads(models("get", "mdl/echo", "-o", "json"))["spec"]["replicas"] == 3


def test_kubectl_does_not_scale_what_scales_by_load(models):
    models("apply", "-f", "-", manifest=a_model(scaling={"maxReplicas": 4}))
    with pytest.raises(CommandFailed, match="expected replicas or scaling, but not both"):
        models("scale", "mdl/echo", "--replicas=3")


def test_spec_and_status_are_written_apart(models):
    models("apply", "-f", "-", manifest=a_model() | STATUS)
    fresh = Model.model_validate_json(models("get", "mdl/echo", "-o", "json"))
    assert (fresh.status.url, fresh.status.observed_generation) == (None, 0)
    said = json.dumps(STATUS | {"spec": {"replicas": 5}})
    models("patch", "mdl/echo", *TO_STATUS, said)
    model = Model.model_validate_json(models("get", "mdl/echo", "-o", "json"))
    assert (model.spec, model.metadata.generation) == (fresh.spec, 1)
    assert model.status.revision == "8f3c2a1"


def test_a_status_is_observed_not_at_all_until_it_is(models):
    models("apply", "-f", "-", manifest=a_model())
    live = json.loads(models("get", "mdl/echo", "-o", "json"))
    assert live["status"]["observedGeneration"] == 0 < live["metadata"]["generation"]


def test_a_word_of_a_newer_operator_is_taken_in_a_status(models):
    models("apply", "-f", "-", manifest=a_model())
    condition = {"type": "Brilliant", "status": "True", "reason": "Unheard"}
    said = json.dumps({"status": {"conditions": [condition]}})
    assert models("patch", "mdl/echo", *TO_STATUS, said)


@pytest.mark.parametrize("mode", ["--server-side=true", "--server-side=false"])
def test_what_an_api_server_holds_reads_back(models, mode):
    models("apply", mode, "-f", "-", manifest=a_model(replicas=2))
    live = models("get", "mdl/echo", "-o", "json", "--show-managed-fields")
    model = Model.model_validate_json(live)
    assert model.spec == parse_resource(a_model(replicas=2)).spec
    assert parse_resource(json.loads(live)).spec == model.spec
    assert model.metadata.generation == 1
    assert model.metadata.managed_fields


@pytest.mark.parametrize(("before", "after"), [("a", "b"), ("a", None), (None, "a")])
def test_the_namespace_of_a_fleet_stays(control_plane, fleet, before, after):
    control_plane.apply(a_fleet(fleet, **({"namespace": before} if before else {})))
    patch = json.dumps({"spec": {"namespace": after}})
    with pytest.raises(CommandFailed, match=r"spec.namespace: Forbidden: cannot be changed, since"):
        control_plane.kubectl("patch", "fleet", fleet, "--type=merge", "-p", patch)
    same = json.dumps({"spec": {"namespace": before, "network": {"accessLog": True}}})
    assert control_plane.kubectl("patch", "fleet", fleet, "--type=merge", "-p", same)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"storageClassName": "b"}, "storageClassName: Forbidden: cannot be changed, since"),
        ({"size": "1Gi"}, "expected no less than before, since a volume cannot shrink"),
    ],
)
def test_the_volume_of_a_fleet_stays_what_it_is(control_plane, fleet, change, words):
    volume = {"storageClassName": "a", "size": "2Gi"}
    control_plane.apply(a_fleet(fleet, durability={"rocksDB": volume}))
    said = ({"spec": {"durability": {"rocksDB": one}}} for one in (change, {"size": "3Gi"}))
    patch, grown = map(json.dumps, said)
    with pytest.raises(CommandFailed, match=words):
        control_plane.kubectl("patch", "fleet", fleet, "--type=merge", "-p", patch)
    assert control_plane.kubectl("patch", "fleet", fleet, "--type=merge", "-p", grown)


@pytest.mark.parametrize("mode", ["--server-side=true", "--server-side=false"])
@pytest.mark.parametrize("before", [{}, {"cache": {"emptyDir": {}}, "durability": {"rocksDB": {}}}])
def test_a_choice_can_be_made_anew(control_plane, fleet, mode, before):
    after = {
        "cache": {"hostPath": {"path": "/cache"}},
        "durability": {"redis": {"address": "redis:6379"}},
    }
    for said in (before, after):
        manifest = json.dumps(a_fleet(fleet, **said))
        control_plane.kubectl("apply", mode, "-f", "-", stdin=manifest)
    live = control_plane.get("fleet", fleet)["spec"]
    assert {name: live[name] for name in after} == after


@pytest.mark.parametrize("mode", ["--server-side=true", "--server-side=false"])
def test_a_model_may_stop_to_generate_text(models, mode):
    chat = a_chat(adapters=[{"name": "pirate", "uri": URI}])
    chat["spec"] |= {"precision": "int8", "scaling": {"maxReplicas": 3}}
    models("apply", mode, "-f", "-", manifest=chat)
    models("apply", mode, "-f", "-", manifest=a_model(replicas=2))
    live = json.loads(models("get", "mdl/echo", "-o", "json"))
    assert Model.model_validate(live).spec == parse_resource(a_model(replicas=2)).spec
