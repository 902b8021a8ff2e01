"""The Open Inference Protocol and Triton's questions, asked of a whole application."""

import json

import numpy as np
import pytest
from asgi_client import Call, ask
from graphs import adder
from stand_ins import Arithmetic, loaded, revision, rows, spec
from tritonclient.http import InferenceServerClient, InferInput, InferRequestedOutput

from shoal.api.model import OnnxRuntime
from shoal.api.runtime import ModelConfig
from shoal.api.tensors import Datatype
from shoal.errors import InvalidRequest
from shoal_serving.backends.onnx import OnnxBackend
from shoal_serving.hosting import HostedModel
from shoal_serving.http.app import HttpApp

MODEL = "/ops/m/v2/models/m"
INFER = f"{MODEL}/infer"
X = {"name": "x", "datatype": "FP32", "shape": [1, 2], "data": [1, 2]}


async def infer(app, value, outputs=None, binary=True, **options):
    """Ask as tritonclient does, and read the answer as it does."""
    given = InferInput("x", list(value.shape), "FP32").set_data_from_numpy(value, binary)
    body, length = InferenceServerClient.generate_request_body([given], outputs, **options)
    headers = {} if length is None else {"inference-header-content-length": str(length)}
    answer = await Call("POST", INFER, [bytes(body)], headers).to(app)
    assert answer.status == 200, answer.body
    header = answer.headers.get("inference-header-content-length")
    return InferenceServerClient.parse_response_body(
        answer.body, header_length=None if header is None else int(header)
    )


@pytest.mark.parametrize("sent", [True, False])
@pytest.mark.parametrize("received", [True, False])
async def test_tritonclient_is_understood_and_understands(site, sent, received):
    outputs = [InferRequestedOutput("y", binary_data=received)]
    result = await infer(await site(), rows(1, 2, 3)["x"], outputs, sent, request_id="42")
    assert result.as_numpy("y").tolist() == [[2, 2], [4, 4], [6, 6]]
    response = result.get_response()
    assert (response["id"], response["model_name"], response["model_version"]) == ("42", "m", "r1")


async def test_tritonclients_own_parameters_are_none_of_the_tasks_business(site):
    options = {"priority": 3, "sequence_id": 7, "sequence_start": True, "timeout": 10**6}
    result = await infer(await site(), rows(1)["x"], **options)
    assert result.as_numpy("y").tolist() == [[2, 2]]


async def test_no_rows_are_answered_with_no_rows(site):
    result = await infer(await site(), rows()["x"])
    assert result.as_numpy("y").shape == (0, 2)


async def test_a_request_larger_than_a_batch_is_answered_whole(site):
    app = await site({"ops/m": loaded(max_batch_size=4)})
    value = np.arange(200, 220, dtype=np.float32).reshape(10, 2)
    np.testing.assert_array_equal((await infer(app, value)).as_numpy("y"), value * 2)


@pytest.mark.parametrize("value", [np.nan, np.inf])
async def test_what_json_cannot_say_is_the_clients_to_ask_for_in_binary(site, value):
    backend = Arithmetic(lambda inputs: {"y": np.full_like(inputs["x"], value)})
    app = await site({"ops/m": loaded(backend)})
    answer = await ask(app, "POST", INFER, {"inputs": [X]})
    assert answer.status == 400
    assert "output 'y': it holds NaN or infinity" in answer.json["error"]
    np.testing.assert_array_equal((await infer(app, rows(1)["x"])).as_numpy("y"), [[value] * 2])


async def test_an_output_that_is_not_there_is_refused_before_anything_runs(site):
    backend = Arithmetic()
    app = await site({"ops/m": loaded(backend)})
    answer = await ask(app, "POST", INFER, {"inputs": [X], "outputs": [{"name": "z"}]})
    assert answer.status == 400
    assert "'z' is unknown; the model's outputs are 'y'" in answer.json["error"]
    assert backend.runs == []


async def test_an_index_that_the_graph_refuses_is_the_clients_mistake(site):
    def refuse(inputs):
        raise InvalidRequest("the model refused these values: idx=99")

    app = await site({"ops/m": loaded(Arithmetic(refuse))})
    answer = await ask(app, "POST", INFER, {"inputs": [X]})
    assert (answer.status, answer.json["error"]) == (400, "the model refused these values: idx=99")


@pytest.mark.parametrize(
    "length", ["x", "-1", "1e3", pytest.param("9" * 5000, id="long"), "99999", "²"]
)
async def test_a_header_length_that_is_none_is_refused(site, length):
    body = json.dumps({"inputs": [X]}).encode()
    headers = {"inference-header-content-length": length}
    answer = await Call("POST", INFER, [body], headers).to(await site())
    assert answer.status == 400
    assert answer.json["error"].startswith("Inference-Header-Content-Length: expected")
    assert len(answer.body) < 500


@pytest.mark.parametrize("timeout", [-1, 1.5, "1", True, 2**63, [1]])
async def test_a_timeout_that_is_none_is_refused(site, timeout):
    body = {"inputs": [X], "parameters": {"timeout": timeout}}
    answer = await ask(await site(), "POST", INFER, body)
    assert answer.status == 400
    assert "parameter 'timeout': expected microseconds" in answer.json["error"]


async def test_a_timeout_of_zero_is_none(site):
    body = {"inputs": [X], "parameters": {"timeout": 0}}
    assert (await ask(await site(), "POST", INFER, body)).status == 200


async def test_an_unknown_parameter_is_named(site):
    answer = await ask(await site(), "POST", INFER, {"inputs": [X], "parameters": {"speed": 1}})
    assert answer.status == 400
    assert "unknown parameter 'speed'" in answer.json["error"]


async def test_the_server_says_what_it_is_and_speaks(site):
    server = (await ask(await site(), "GET", "/ops/m/v2")).json
    assert server["name"] == "shoal"
    assert {"binary_tensor_data", "statistics", "model_configuration"} <= set(server["extensions"])


async def test_metadata_says_what_goes_in_and_comes_out(site):
    metadata = (await ask(await site(), "GET", MODEL)).json
    assert metadata == {
        "name": "m",
        "versions": ["r1"],
        "platform": "onnxruntime_onnx",
        "inputs": [{"name": "x", "datatype": "FP32", "shape": [-1, 2]}],
        "outputs": [{"name": "y", "datatype": "FP32", "shape": [-1, 2]}],
        "parameters": {"task": "tensor", "max_batch_size": 32, "batching": True},
    }


async def test_metadata_says_where_a_graph_is_served_unbatched(site):
    backend = Arithmetic(inputs=(spec("x", (1, 2)),), batches=False)
    app = await site({"ops/m": loaded(backend)})
    said = (await ask(app, "GET", MODEL)).json["parameters"]
    assert (said["batching"], said["max_batch_size"]) == (False, 1)


async def test_the_configuration_is_in_tritons_words(site):
    config = (await ask(await site(), "GET", f"{MODEL}/config")).json
    assert config == {
        "name": "m",
        "platform": "onnxruntime_onnx",
        "backend": "onnxruntime",
        "max_batch_size": 32,
        "input": [{"name": "x", "data_type": "TYPE_FP32", "dims": [2]}],
        "output": [{"name": "y", "data_type": "TYPE_FP32", "dims": [2]}],
        "dynamic_batching": {},
    }


async def test_the_configuration_of_an_unbatched_graph_has_every_dimension(site):
    texts = spec("x", (1, -1), Datatype.BYTES)
    app = await site({"ops/m": loaded(Arithmetic(inputs=(texts,), batches=False))})
    config = (await ask(app, "GET", f"{MODEL}/config")).json
    assert config["max_batch_size"] == 0
    assert config["input"] == [{"name": "x", "data_type": "TYPE_STRING", "dims": [1, -1]}]
    assert "dynamic_batching" not in config


async def test_the_configuration_says_what_is_optional(site):
    maybe = spec("maybe", (1,), Datatype.BOOL).model_copy(update={"optional": True})
    app = await site({"ops/m": loaded(Arithmetic(inputs=(spec("x"), maybe), batches=False))})
    config = (await ask(app, "GET", f"{MODEL}/config")).json
    assert config["input"][1] == {
        "name": "maybe",
        "data_type": "TYPE_BOOL",
        "dims": [1],
        "optional": True,
    }


DURATION = {"count", "ns"}


@pytest.mark.parametrize("address", [f"{MODEL}/stats", "/ops/m/v2/models/stats"])
async def test_statistics_have_tritons_shape(site, address):
    app = await site()
    await infer(app, rows(1, 2, 3)["x"])
    await infer(app, rows(1)["x"])
    await ask(app, "POST", INFER, b"{")
    (stats,) = (await ask(app, "GET", address)).json["model_stats"]
    assert (stats["name"], stats["version"]) == ("m", "r1")
    assert (stats["inference_count"], stats["execution_count"]) == (4, 2)
    assert stats["last_inference"] > 1_600_000_000_000
    durations = stats["inference_stats"]
    assert durations.keys() == {
        *("success", "fail", "queue", "compute_input", "compute_infer", "compute_output"),
        *("cache_hit", "cache_miss"),
    }
    assert all(duration.keys() == DURATION for duration in durations.values())
    assert (durations["success"]["count"], durations["fail"]["count"]) == (2, 1)
    assert durations["compute_infer"]["ns"] > 0


async def test_batches_are_told_by_their_size_and_time(site):
    app = await site()
    for count in (3, 1, 3):
        await infer(app, rows(*range(count))["x"])
    (stats,) = (await ask(app, "GET", f"{MODEL}/stats")).json["model_stats"]
    assert [batch["batch_size"] for batch in stats["batch_stats"]] == [1, 3]
    assert [batch["compute_infer"]["count"] for batch in stats["batch_stats"]] == [1, 2]
    parts = {"batch_size", "compute_input", "compute_infer", "compute_output"}
    assert all(batch.keys() == parts for batch in stats["batch_stats"])


async def test_the_index_lists_the_model(site):
    answer = await ask(await site(), "POST", "/ops/m/v2/repository/index")
    assert answer.json == [{"name": "m", "version": "r1", "state": "READY", "reason": ""}]


@pytest.mark.parametrize(
    ("outcome", "state", "reason"),
    [(None, "LOADING", ""), (InvalidRequest("no"), "UNAVAILABLE", "Loading failed: ")],
)
async def test_the_index_says_why_a_model_is_not_ready(site, outcome, state, reason):
    app = await site({"ops/m": outcome})
    (entry,) = (await ask(app, "POST", "/ops/m/v2/repository/index")).json
    assert (entry["state"], entry["version"]) == (state, "")
    assert entry["reason"].startswith(reason)


async def test_a_model_that_serves_is_ready_for_no_reason_though_a_newer_one_failed():
    outcomes = [loaded()]  # and then no more, which is an error
    model = HostedModel("ops/m", "node", lambda *_: outcomes.pop(), changed=lambda: None)
    for generation in (1, 2):
        wanted = revision(generation, f"file:///models/{generation}")
        await model.configure(ModelConfig(namespace="ops", name="m", wanted=wanted))
    assert model.failure is not None
    app = HttpApp({"ops/m": model}, 2**20, access_log=False)
    (entry,) = (await ask(app, "POST", "/ops/m/v2/repository/index")).json
    assert entry == {"name": "m", "version": "r1", "state": "READY", "reason": ""}


async def test_a_real_graph_answers_too(site, tmp_path):
    adder(tmp_path, 3, size=2)
    backend = OnnxBackend(tmp_path / "model.onnx", OnnxRuntime(), 1)
    result = await infer(await site({"ops/m": loaded(backend)}), rows(1, 2)["x"])
    assert result.as_numpy("y").tolist() == [[4, 4], [5, 5]]
