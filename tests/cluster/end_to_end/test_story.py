"""From `helm install` to `helm uninstall`, as a platform engineer and a model owner live it.

The tests are told in order. Each says by its fixtures what it begins with, and leaves Models and
the Fleet well; the last three take everything away. Under load no request may fail: nobody asks
twice.
"""

import http
import json
import time

import httpx
import numpy as np
import pytest
import yaml
from model_store import SAMPLES, broken_classifier, classifier
from productimages.images import OPERATOR, SERVING
from shoal_chart import CHART, NAMESPACE
from shoal_chart import SAMPLES as MANIFESTS
from shoal_on_a_node import (
    FLEET,
    LITTLE,
    PATIENCE_S,
    PRIVATE,
    TEAM,
    condition,
    eventually,
    name_of,
)
from tritonclient.http import InferenceServerClient, InferInput

pytestmark = [
    pytest.mark.kubernetes_node,
    pytest.mark.shoal_images,
    pytest.mark.timeout(900),
]

TRIAGE = "/ops/alarm-triage"
DIGITS = "/ops/digits/v2/models/digits/infer"
ALARM = {"inputs": "could not create temporary file: the device has no free space"}
# Neither image has a client of the protocols: those are asked from this machine.
INSIDE = """\
import json, urllib.request
body = json.dumps({"inputs": "the device has no free space"}).encode()
url = "http://default.shoal-system.svc:8000/ops/alarm-triage"
print(urllib.request.urlopen(urllib.request.Request(url, body), timeout=30).read().decode())
"""
KILL_GCS = """\
import os, pathlib
for said in pathlib.Path("/proc").glob("[0-9]*/cmdline"):
    if said.read_bytes().split(b"\\0")[0].endswith(b"gcs_server"):
        os.kill(int(said.parent.name), 9)
"""
NEXT_IMAGE = "localhost/shoal-serving:next"
GPU_POOL = {
    "name": "l4",
    "workers": {"min": 0, "max": 1},
    "gpu": {"product": "NVIDIA-L4", "count": 1},
    "resources": {"cpu": "2", "memory": "2Gi"},
    "template": {"spec": {"containers": [LITTLE]}},
}
# 2 GiB of 23,034 MiB.
PLACEMENT = {"pool": "l4", "gpuMemory": "2Gi", "gpuShare": 0.089}


# What people's own Models and Fleets are kept in, and who led.
STAY = {
    "APIService//v1alpha1.shoal.dev",
    "CustomResourceDefinition//fleets.shoal.dev",
    "CustomResourceDefinition//models.shoal.dev",
    f"Lease/{NAMESPACE}/shoal-operator",
}


def label(answer):
    """What a classifier says first."""
    return answer[0][0]["label"]


def test_the_chart_is_installed_where_pod_security_is_restricted(shoal):
    deployment = shoal.get("deployment", "shoal-operator", "-n", NAMESPACE)
    assert deployment["status"]["availableReplicas"] == deployment["spec"]["replicas"] == 2
    assert "Succeeded" in shoal.node.helm("test", "shoal", "--namespace", NAMESPACE)
    upgrade = ("upgrade", "shoal", str(CHART), "--namespace", NAMESPACE)
    shoal.node.helm(*upgrade, "--reset-then-reuse-values", "--set=resync=5m", "--wait")
    arguments = shoal.get("deployment", "shoal-operator", "-n", NAMESPACE)["spec"]["template"]
    assert "--resync=5m" in json.dumps(arguments)


def test_a_fleet_and_its_models_become_ready(serving):
    fleet = serving.get("fleet", FLEET)["status"]
    assert fleet["url"] == f"http://{FLEET}.{NAMESPACE}.svc:8000"
    assert serving.status("digits")["url"] == f"{fleet['url']}/ops/digits"
    eventually(lambda: counts(serving) == (3, 3, 2), "they are counted")


def test_tritonclient_gets_real_answers_through_the_service(serving):
    address = serving.url("/ops/digits").removeprefix("http://")
    (image,) = json.loads((SAMPLES / "digits" / "sample.json").read_bytes())["inputs"]
    picture = np.array(image["data"], np.float32).reshape(image["shape"])
    with InferenceServerClient(address) as client:
        given = InferInput("image", image["shape"], "FP32").set_data_from_numpy(picture)
        assert client.infer("digits", [given]).as_numpy("digit").tolist() == [3]


def test_a_pod_gets_answers_by_the_fleets_name(serving):
    container = {
        "name": "asks",
        "image": OPERATOR.name,
        "imagePullPolicy": "Never",
        "command": ["python", "-c", INSIDE],
    }
    spec = {"restartPolicy": "Never", "containers": [container]}
    metadata = {"name": "asks"}
    serving.apply({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec})
    serving.node.wait_for("jsonpath={.status.phase}=Succeeded", "pod/asks", "-n", TEAM)
    assert label(json.loads(serving.kubectl("logs", "asks", "-n", TEAM))) == "disk_full"
    serving.kubectl("delete", "pod", "asks", "-n", TEAM)


def test_the_command_line_asks_a_model_and_reads_its_log(serving):
    answer = serving.shoal("infer", "model/alarm-triage", "--text", ALARM["inputs"])
    assert label(json.loads(answer)) == "disk_full"
    serving.shoal("logs", "model/alarm-triage")  # fails if it cannot; well replicas say little


def test_a_model_of_a_store_that_asks_for_a_token_is_served(serving):
    serving.wait_until_ready("model/private")
    assert label(ask(serving, "/ops/private")) == "kept_private"
    assert serving.store.asked.count((PRIVATE, http.HTTPStatus.UNAUTHORIZED)) == 0


def test_a_namespace_that_the_fleet_does_not_allow_is_refused(serving):
    serving.kubectl("apply", "-n", "default", "-f", str(MANIFESTS / "digits.yaml"))
    refused = ("condition=Accepted=false", "model/digits", "-n", "default")
    serving.node.wait_for(*refused)
    status = serving.get("model", "digits", "-n", "default")["status"]
    assert condition(status, "Ready")["reason"] == "NamespaceNotAllowed"
    assert status_of(serving, "/default/digits") == http.HTTPStatus.NOT_FOUND
    serving.kubectl("delete", "model", "digits", "-n", "default")


def test_a_model_on_a_running_fleet_answers_soon(serving, tell):
    began, said = time.monotonic(), []
    serving.kubectl("apply", "-n", TEAM, "-f", str(MANIFESTS / "ops-qa.yaml"))

    def answers():
        reason = ready_reason(serving, "ops-qa")
        if [one for _, one in said][-1:] != [reason]:
            said.append((time.monotonic() - began, reason))
        return status_of(serving, "/ops/ops-qa/v2/health/ready") == http.HTTPStatus.OK

    eventually(answers, "it answers")
    answered = time.monotonic() - began
    serving.wait_until_ready("model/ops-qa")
    told = ", ".join(f"{at:.1f} s {reason}" for at, reason in said)
    tell(f"a Model from kubectl apply on: {told}; {answered:.1f} s until the first answer")
    serving.kubectl("delete", "model", "ops-qa", "-n", TEAM)


def test_a_new_revision_takes_over_and_no_request_fails(serving):
    before = serving.status("alarm-triage")["revision"]
    replicas = serving.replicas("alarm-triage").keys()
    uri = serving.store.put("/renamed.tar.gz", classifier("renamed"))
    with serving.no_request_fails(TRIAGE, ALARM, "a new revision") as load:
        serving.patch("model", "alarm-triage", {"source": {"uri": uri}})
        serving.wait_until_ready("model/alarm-triage")
        eventually(lambda: label(load.answers[-1][1]) == "renamed", "it answers")
    assert serving.status("alarm-triage")["revision"] != before
    assert serving.replicas("alarm-triage").keys() == replicas


def test_a_broken_revision_is_told_and_the_one_before_serves_on(serving, told_apart):
    served = serving.condition("alarm-triage", "Ready")["observedGeneration"]
    uri = serving.store.put("/broken.tar.gz", broken_classifier())
    with serving.no_request_fails(TRIAGE, ALARM, "a broken revision") as load:
        serving.patch("model", "alarm-triage", {"source": {"uri": uri}})
        waiting = "condition=Stalled"
        serving.node.wait_for(waiting, "model/alarm-triage", "-n", TEAM, patience_s=300)
        ready = serving.condition("alarm-triage", "Ready")
        assert (ready["status"], ready["observedGeneration"]) == ("True", served)
        failure = serving.status("alarm-triage")["lastFailure"]
        assert failure["reason"] == "ModelLoadFailed"
        assert "model.safetensors is damaged" in failure["message"]
        assert failure["action"] == "Fetch or save the checkpoint again."
        serving.patch("model", "alarm-triage", {"source": {"uri": told_apart}})
        serving.wait_until_ready("model/alarm-triage")
    assert "lastFailure" not in serving.status("alarm-triage")
    assert {label(answer) for _, answer in load.answers} == {"no_space"}


def test_it_is_scaled_up_and_down_and_no_request_fails(serving):
    with serving.no_request_fails(TRIAGE, ALARM, "replicas 1, 2, 1"):
        for number in (2, 1):
            serving.kubectl("scale", "-n", TEAM, "model/alarm-triage", f"--replicas={number}")
            serving.wait_until_ready("model/alarm-triage")
            eventually(
                lambda number=number: len(serving.replicas("alarm-triage")) == number,
                f"{number} replicas serve",
            )


def test_the_head_is_deleted_and_no_request_fails(serving, twice):
    head = serving.head()
    with serving.no_request_fails(TRIAGE, ALARM, "the head deleted"):
        serving.kubectl("delete", "pod", head, "-n", NAMESPACE, "--force", "--grace-period=0")
        serving.wait_until_whole()
        eventually(lambda: has_two_replicas(serving), "the new head knows both replicas")
    assert serving.head() != head


def test_the_gcs_is_killed_and_no_request_fails(serving, twice):
    before = serving.replicas("alarm-triage").keys()
    head = serving.head()
    with serving.no_request_fails(TRIAGE, ALARM, "the GCS killed"):
        serving.kubectl(
            *("exec", head, "-n", NAMESPACE, "-c", "ray-head"),
            *("--", "python", "-c", KILL_GCS),
        )
        eventually(lambda: serving.head() not in (None, head), "there is another head")
        serving.wait_until_whole()
        eventually(lambda: has_two_replicas(serving), "the new head knows both replicas")
    assert serving.replicas("alarm-triage").keys() == before


def test_a_worker_is_deleted_and_no_request_fails(serving, twice):
    worker = name_of(serving.pods(node_type="worker")[0])
    with serving.no_request_fails(TRIAGE, ALARM, "a worker deleted"):
        serving.kubectl("delete", "pod", worker, "-n", NAMESPACE)
        serving.wait_until_whole()
        eventually(lambda: has_two_replicas(serving), "two replicas serve again")
        serving.wait_until_ready("model/alarm-triage", "model/digits")


def test_the_fleets_image_is_changed_and_no_request_fails(serving, twice):
    before = serving.ray_cluster()
    serving.node.ctr("images", "tag", SERVING.name, NEXT_IMAGE)
    with serving.no_request_fails(TRIAGE, ALARM, "another image"):
        serving.patch("fleet", FLEET, {"ray": {"image": NEXT_IMAGE}})
        eventually(lambda: serving.ray_cluster() != before, "the address moves on")
        assert serving.ray_clusters() == {before, serving.ray_cluster()}
        serving.wait_until_ready(f"fleet/{FLEET}", "model/alarm-triage", "model/digits")
    assert images(serving.pods(node_type="worker")) == {NEXT_IMAGE}


def test_the_api_server_restarts_and_no_request_fails(serving):
    # A Fleet is ready, and so are its Models, before the last of its workers is.
    serving.wait_until_whole()
    before = serving.containers()
    with serving.no_request_fails(TRIAGE, ALARM, "the API server restarted"):
        serving.node.control_plane.restart_api_server()
        serving.patch("model", "alarm-triage", {"batching": {"maxBatchSize": 16}})
        serving.wait_until_ready("model/alarm-triage")
    assert serving.containers() == before


def test_a_gpu_pool_begins_with_no_worker_and_gets_one_for_a_model(serving):
    serving.node.pretend_gpus(1, "NVIDIA-L4", 23034)
    cluster = serving.ray_cluster()
    pools = serving.get("fleet", FLEET)["spec"]["pools"]
    serving.patch("fleet", FLEET, {"pools": [*pools, GPU_POOL]})
    serving.apply(on_gpu("CUDAExecutionProvider"))
    (pod,) = eventually(lambda: serving.pods(node_type="worker", group="l4"), "a worker is made")
    limits = pod["spec"]["containers"][0]["resources"]["limits"]
    assert limits["nvidia.com/gpu"] == "1"
    assert serving.status("on-gpu")["placement"] == PLACEMENT
    failed = "the image has no CUDA"
    failure = eventually(lambda: serving.status("on-gpu").get("lastFailure"), failed)
    assert "CUDAExecutionProvider" in failure["message"]
    assert serving.condition("on-gpu", "Ready")["status"] == "False"
    serving.apply(on_gpu("CPUExecutionProvider"))
    serving.wait_until_ready("model/on-gpu")
    eventually(lambda: serving.get("fleet", FLEET)["status"]["gpus"] == 1, "its GPU is counted")
    assert serving.ray_cluster() == cluster
    serving.kubectl("delete", "model", "on-gpu", "-n", TEAM)


def test_an_idle_model_is_woken_by_a_request(serving):
    sample = yaml.safe_load((MANIFESTS / "features" / "scale-to-zero.yaml").read_text())
    sample["spec"]["scaling"]["idleTimeout"] = "2s"
    serving.apply(sample)
    # It proves itself first.
    serving.wait_until_ready("model/digits-on-demand")
    eventually(lambda: ready_reason(serving, "digits-on-demand") == "Idle", "it is idle")
    eventually(lambda: not serving.replicas("digits-on-demand"), "it has no replica")
    answer = ask(serving, "/ops/digits-on-demand/v2/models/digits-on-demand/infer", digit())
    assert answer["outputs"][0]["data"] == [3]
    serving.kubectl("delete", "model", "digits-on-demand", "-n", TEAM)


def test_the_operator_is_killed_and_no_request_fails(serving):
    with serving.no_request_fails(TRIAGE, ALARM, "the operator killed"):
        killed = ("-l", "app.kubernetes.io/name=shoal", "--force", "--grace-period=0")
        serving.kubectl("delete", "pod", "-n", NAMESPACE, *killed)
        serving.node.wait_for("condition=Available", "deployment/shoal-operator", "-n", NAMESPACE)
        # Whoever leads now does what is wanted.
        serving.patch("model", "alarm-triage", {"batching": {"maxBatchSize": 24}})
        serving.wait_until_ready("model/alarm-triage")


def test_the_pods_of_the_old_image_end_and_no_request_fails(serving):
    """They stay for two minutes, of which the tests before this one have taken a part, or all."""
    with serving.no_request_fails(TRIAGE, ALARM, "the pods of the old image end"):
        eventually(lambda: not serving.old_pods(), "they are gone", tell=serving.said_of_pods)
    assert serving.ray_clusters() == {serving.ray_cluster()}


def test_a_deleted_model_is_gone_and_the_others_are_not_touched(serving):
    before = serving.replicas("digits").keys(), serving.containers()
    with serving.no_request_fails(DIGITS, digit(), "another Model deleted"):
        serving.kubectl("delete", "model", "alarm-triage", "-n", TEAM)
        eventually(lambda: status_of(serving, TRIAGE) == http.HTTPStatus.NOT_FOUND, "it is gone")
    assert (serving.replicas("digits").keys(), serving.containers()) == before


def test_what_is_served_goes_on_without_a_release_and_the_next_takes_it_over(serving):
    before = serving.replicas("digits").keys(), serving.containers()
    serving.uninstall()
    assert ask(serving, DIGITS, digit())["outputs"][0]["data"] == [3]
    serving.install()
    serving.patch("model", "digits", {"batching": {"maxBatchSize": 16}})
    serving.wait_until_ready("model/digits", f"fleet/{FLEET}")
    assert (serving.replicas("digits").keys(), serving.containers()) == before


def test_models_of_a_deleted_fleet_say_that_it_is_gone(serving):
    serving.kubectl("delete", "fleet", FLEET, "--timeout=120s")
    eventually(lambda: ready_reason(serving, "digits") == "FleetNotFound", "it says so")
    assert serving.condition("digits", "Ready")["status"] == "False"


def test_nothing_is_left_but_what_was_meant_to_stay(serving):
    serving.kubectl("delete", "model", "--all", "-n", TEAM)
    serving.kubectl("delete", "secret", "model-store", "-n", TEAM)
    serving.kubectl("delete", "fleet", FLEET, "--ignore-not-found", "--timeout=120s")
    serving.uninstall()
    eventually(lambda: left(serving) == STAY, "nothing else is left", tell=lambda: left(serving))


def left(shoal):
    """What the cluster has, and had not before Shoal came."""
    return shoal.things() - shoal.things_before


def counts(shoal):
    """Of the Fleet's status: its Models, those that are Ready, and the workers that run."""
    status = shoal.get("fleet", FLEET)["status"]
    return status["models"]["total"], status["models"]["ready"], status["workers"]["ready"]


def ready_reason(shoal, model):
    """Why a Model is Ready, or not; None while its status does not say."""
    return shoal.condition(model, "Ready").get("reason")


def has_two_replicas(shoal):
    """Whether two replicas of alarm-triage say that they serve."""
    return shoal.ready_replicas("alarm-triage") == 2


def on_gpu(provider):
    """The sample of a Model with a share of a GPU, on this Fleet and that execution provider."""
    sample = yaml.safe_load((MANIFESTS / "features" / "gpu-share.yaml").read_text())
    runtime = {"executionProviders": [provider]}
    spec = sample["spec"] | {"fleet": FLEET, "backend": {"onnxRuntime": runtime}}
    return sample | {"metadata": {"name": "on-gpu"}, "spec": spec}


def images(pods):
    """What their first containers run."""
    return {pod["spec"]["containers"][0]["image"] for pod in pods}


def digit():
    """A request to the sample digits."""
    sample = json.loads((SAMPLES / "digits" / "sample.json").read_bytes())
    return {"inputs": sample["inputs"]}


def ask(shoal, path, body=ALARM):
    """The answer to one request, for which a Model may have to wake up."""
    return httpx.post(shoal.url(path), json=body, timeout=PATIENCE_S).raise_for_status().json()


def status_of(shoal, path):
    """The status of the answer to one GET."""
    return httpx.get(shoal.url(path), timeout=30).status_code
