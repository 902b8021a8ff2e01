"""What an API server that has our CustomResourceDefinitions takes, refuses and fills in."""

import http
import itertools
import json
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml
from refused import REFUSED, URI, a_chat, a_fleet, a_model
from varied import changed, varied_fleets, varied_models

from shoal.api import Fleet, Model, parse_resource
from shoal.errors import InvalidResource

SAMPLES = Path(__file__).parents[2] / "manifests" / "samples"
API = "/apis/shoal.dev/v1alpha1"
KINDS = {"Model": Model, "Fleet": Fleet}
VARIED = (varied_models, varied_fleets)


@pytest.fixture(autouse=True, scope="module")
def crds(control_plane):
    control_plane.install_shoal_crds()


def try_out(control_plane, manifest):
    """What the API server answers to a manifest that it is not to keep."""
    where = "fleets" if manifest["kind"] == "Fleet" else "namespaces/default/models"
    path = f"{API}/{where}?dryRun=All&fieldValidation=Strict"
    status, body = control_plane.request("POST", path, manifest)
    return SimpleNamespace(taken=status == http.HTTPStatus.CREATED, said=json.loads(body))


def read_back(answer):
    return KINDS[answer.said["kind"]].model_validate(answer.said)


def as_read(manifest):
    """What `shoal.api` makes of a manifest, or None if it refuses it."""
    try:
        return parse_resource(manifest)
    except InvalidResource:
        return None


@pytest.mark.parametrize("case", REFUSED, ids=str)
def test_a_refusal_says_what_shoal_api_says(control_plane, case):
    answer = try_out(control_plane, case.manifest)
    assert answer.said["reason"] == "Invalid", answer.said
    causes = [(cause["field"], cause["message"]) for cause in answer.said["details"]["causes"]]
    said = [message for field, message in causes if field == case.field]
    assert any(case.sentence in message for message in said), causes


@pytest.mark.parametrize("file", sorted(SAMPLES.glob("*.yaml")), ids=lambda file: file.stem)
def test_a_sample_is_taken(control_plane, file):
    ours = [one for one in yaml.safe_load_all(file.read_text()) if one["kind"] in KINDS]
    for manifest in ours:
        manifest["metadata"].pop("namespace", None)
        answer = try_out(control_plane, manifest)
        assert answer.taken, answer.said
        assert read_back(answer).spec == parse_resource(manifest).spec


@pytest.mark.parametrize("vary", VARIED)
def test_what_is_sound_is_taken_and_reads_back_as_it_was_meant(control_plane, vary):
    for manifest in itertools.islice(vary(seed=1), 60):
        answer = try_out(control_plane, manifest)
        assert answer.taken, answer.said
        assert read_back(answer).spec == parse_resource(manifest).spec


@pytest.mark.parametrize("vary", VARIED)
def test_both_refuse_the_same(control_plane, vary):
    sound = itertools.islice(vary(seed=2), 150)
    for manifest in (changed(manifest, seed) for seed, manifest in enumerate(sound)):
        answer, read = try_out(control_plane, manifest), as_read(manifest)
        assert answer.taken == (read is not None), (manifest, answer.said)


def test_the_defaults_are_filled_in(control_plane):
    said = a_chat(adapters=[{"name": "pirate", "uri": URI}])
    said["spec"] |= {"scaling": {}, "resources": {"gpu": {}}}
    assert try_out(control_plane, said).said["spec"] == {
        "task": "text-generation",
        "source": {"uri": URI},
        "precision": "auto",
        "resources": {"cpu": "500m", "gpu": {"count": 1}},
        "batching": {"maxBatchSize": 32, "maxQueueSize": 512, "timeout": "30s"},
        "generation": {
            "maxSequences": 16,
            "maxTokens": 2048,
            "prefixCache": "256Mi",
            "kvCache": "auto",
            "adapters": [{"name": "pirate", "uri": URI}],
        },
        "scaling": {
            "minReplicas": 1,
            "maxReplicas": 1,
            "targetOngoingRequests": 8,
            "idleTimeout": "10m",
        },
        "rollout": "Surge",
        "fleet": "default",
        "suspend": False,
    }


def test_the_defaults_of_a_fleet_are_filled_in(control_plane):
    assert try_out(control_plane, a_fleet(durability={"rocksDB": {}})).said["spec"] == {
        "ray": {"version": "2.60.0", "imagePullPolicy": "IfNotPresent"},
        "head": {"resources": {"cpu": "1", "memory": "4Gi"}},
        "pools": [
            {
                "name": "cpu",
                "workers": {"min": 1, "max": 1},
                "resources": {"cpu": "2", "memory": "4Gi"},
            }
        ],
        "durability": {"rocksDB": {"size": "1Gi"}},
        "network": {
            "maxBodySize": "64Mi",
            "accessLog": False,
            "service": {"type": "ClusterIP"},
        },
    }


@pytest.mark.parametrize(
    ("manifest", "field"),
    [
        (a_model(tusk="tensor"), "spec.tusk"),
        (a_model(batching={"max_batch_size": 3}), "spec.batching.max_batch_size"),
        (a_model() | {"data": {}}, "data"),
        (a_fleet(pools=[{"name": "a", "cpu": {}}]), "spec.pools[0].cpu"),
    ],
)
def test_an_unknown_field_is_refused(control_plane, manifest, field):
    answer = try_out(control_plane, manifest)
    assert f'unknown field "{field}"' in answer.said["message"]
    assert as_read(manifest) is None


def test_a_pod_template_is_kept_as_it_is(control_plane):
    template = {"metadata": {"labels": {"a": "b"}}, "spec": {"tolerations": [{"key": "gpu"}]}}
    pools = [{"name": "a", "template": template}]
    answer = try_out(control_plane, a_fleet(pools=pools, head={"template": template}))
    assert answer.said["spec"]["pools"][0]["template"] == template
    assert answer.said["spec"]["head"]["template"] == template
