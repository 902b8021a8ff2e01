"""A caller's mistake is a 4xx in the protocol's own shape, and harms nobody else."""

import gzip
import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from conftest import Platform
from graphs import tensor

INFER = "/v2/models/twin/infer"
SOUND = tensor([1.0, 2.0, 3.0, 4.0])
BODY = json.dumps(SOUND).encode()
LIMIT_S = 20.0


def given(**changes: Any) -> bytes:
    """A sound request with one of its input's fields changed; None leaves it out."""
    changed = {**SOUND["inputs"][0], **changes}
    x = {field: value for field, value in changed.items() if value is not None}
    return json.dumps({"inputs": [x]}).encode()


def asking(**fields: Any) -> bytes:
    return json.dumps({**SOUND, **fields}).encode()


BINARY = given(data=None, parameters={"binary_data_size": 12})
BOMB = gzip.compress(b" " * 100 * 2**20)

# What is sent (and with which headers), the status, and what the answer speaks of.
TENSORS: dict[str, tuple[bytes, dict[str, str], int, str]] = {
    "nothing": (b"", {}, 400, "not JSON"),
    "half of a JSON document": (BODY[:40], {}, 400, "not JSON"),
    "a list": (b"[1]", {}, 400, "expected a JSON object"),
    "100,000 brackets": (b"[" * 100_000, {}, 400, "not JSON"),
    "NaN": (BODY.replace(b"4.0", b"NaN"), {}, 400, "send that tensor as binary data"),
    "no inputs": (b"{}", {}, 400, "inputs"),
    "no input": (b'{"inputs": []}', {}, 400, "'x'"),
    "an unknown input": (given(name="z"), {}, 400, "'z'"),
    "another datatype": (given(datatype="INT64"), {}, 400, "'x': expected datatype FP32"),
    "no datatype at all": (given(datatype="FP8"), {}, 400, "'x': expected datatype FP32"),
    "another rank": (given(shape=[4]), {}, 400, "'x': expected shape"),
    "another shape": (given(shape=[1, 5]), {}, 400, "'x': expected shape"),
    "a negative shape": (given(shape=[-1, 4]), {}, 400, "'x': expected shape"),
    "a shape beyond memory": (given(shape=[2**62, 4]), {}, 400, "'x'"),
    "a shape beyond numbers": (given(shape=[2**70, 4]), {}, 400, "'x'"),
    "too few elements": (given(data=[1, 2]), {}, 400, "'x'"),
    "words for numbers": (given(data=["one", "2", "3", "4"]), {}, 400, "'x'"),
    "a number too large": (given(data=[1e300, 2, 3, 4]), {}, 400, "'x'"),
    "ragged rows": (given(data=[[1, 2], [3]]), {}, 400, "'x'"),
    "no data": (given(data=None), {}, 400, "'x'"),
    "an unknown output": (asking(outputs=[{"name": "z"}]), {}, 400, "'z'"),
    "an unknown parameter": (asking(parameters={"loud": 1}), {}, 400, "'loud'"),
    "a timeout that is none": (asking(parameters={"timeout": "soon"}), {}, 400, "'timeout'"),
    "an id that is none": (asking(id=7), {}, 400, "id"),
    "a length past the end": (
        BODY,
        {"inference-header-content-length": "9999"},
        400,
        "Inference-Header-Content-Length",
    ),
    "a length that is none": (
        BODY,
        {"inference-header-content-length": "-1"},
        400,
        "Inference-Header-Content-Length",
    ),
    "too few bytes": (
        BINARY + bytes(12),
        {"inference-header-content-length": str(len(BINARY))},
        400,
        "takes 16 bytes",
    ),
    "bytes without a length": (BINARY + bytes(16), {}, 400, "Inference-Header-Content-Length"),
    "what is no gzip": (BODY, {"content-encoding": "gzip"}, 400, "gzip"),
    "half of a gzip": (gzip.compress(BODY)[:-9], {"content-encoding": "gzip"}, 400, "gzip"),
    "an unknown encoding": (BODY, {"content-encoding": "br"}, 400, "'br'"),
    "100 MB": (bytes(100 * 2**20), {}, 413, "spec.network.maxBodySize"),
    "100 MB in a bomb": (BOMB, {"content-encoding": "gzip"}, 413, "spec.network.maxBodySize"),
}


@pytest.fixture(scope="module")
def client() -> Iterator[httpx.Client]:
    with httpx.Client(timeout=LIMIT_S, trust_env=False) as connected:
        yield connected


@pytest.fixture
def twin(twins: tuple[str, str], client: httpx.Client) -> Iterator[str]:
    """The base URL of a model, which must answer as ever after the test."""
    yield twins[0]
    answer = client.post(twins[0] + INFER, json=SOUND)
    assert answer.json()["outputs"][0]["data"] == [2.0, 3.0, 4.0, 5.0]


@pytest.mark.parametrize("what", TENSORS)
def test_a_bad_inference_is_refused_and_says_why(
    twin: str, client: httpx.Client, what: str
) -> None:
    content, headers, status, sentence = TENSORS[what]
    answer = client.post(twin + INFER, content=content, headers=headers)
    assert answer.status_code == status
    assert list(answer.json()) == ["error"]
    assert sentence in answer.json()["error"]
    assert "Traceback" not in answer.text


TEXTS: dict[str, tuple[str, bytes, str]] = {
    "no inputs": ("alarm-triage", b"{}", "'inputs'"),
    "half of a document": ("alarm-triage", b'{"inputs"', "not valid JSON"),
    "a number": ("alarm-triage", b'{"inputs": 7}', "inputs"),
    "half of a surrogate pair": ("alarm-triage", rb'{"inputs": "\ud800"}', "not valid JSON"),
    "an unknown parameter": (
        "alarm-triage",
        b'{"inputs": "disk full", "parameters": {"top": 1}}',
        "'top'",
    ),
    "a question without context": ("ops-qa", b'{"inputs": {"question": "Why?"}}', "'context'"),
    "no text to embed": ("alarm-embed", b'{"inputs": []}', "inputs"),
    "text for a tensor model": ("digits", b'{"inputs": "three"}', "Open Inference Protocol"),
}


@pytest.mark.parametrize("what", TEXTS)
def test_a_bad_text_request_is_refused_and_says_why(
    samples: dict[str, str], client: httpx.Client, what: str
) -> None:
    name, content, sentence = TEXTS[what]
    answer = client.post(samples[name], content=content)
    assert answer.status_code == 400
    assert list(answer.json()) == ["error"]
    assert sentence in answer.json()["error"]


def test_openais_errors_have_openais_shape(samples: dict[str, str], client: httpx.Client) -> None:
    answer = client.post(f"{samples['alarm-embed']}/v1/embeddings", content=b"{")
    assert answer.status_code == 400
    assert sorted(answer.json()["error"]) == ["code", "message", "param", "type"]


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "PATCH"])
def test_a_wrong_method_is_told_the_right_one(twin: str, client: httpx.Client, method: str) -> None:
    answer = client.request(method, twin + INFER)
    assert (answer.status_code, answer.headers["content-type"]) == (405, "application/json")
    assert "takes POST" in answer.json()["error"]


@pytest.mark.parametrize("path", ["", "/v2/health/ready", "/v2/models/twin"])
def test_head_is_get_without_the_body(twin: str, client: httpx.Client, path: str) -> None:
    answer, whole = client.head(twin + path), client.get(twin + path)
    assert (answer.status_code, answer.content) == (200, b"")
    assert answer.headers["content-length"] == whole.headers["content-length"]


def test_an_error_is_short_whatever_was_sent(samples: dict[str, str], client: httpx.Client) -> None:
    body = {"inputs": "disk full", "parameters": {"x" * 10**6: 1}}
    answer = client.post(samples["alarm-triage"], json=body)
    assert (answer.status_code, len(answer.content) < 2000) == (400, True)


@pytest.mark.parametrize("path", ["/v3", "/v2/models", "/v2/models/twin/infer/more", "/%2e%2e/"])
def test_an_address_below_a_model_that_is_not_there_is_a_404(
    twin: str, client: httpx.Client, path: str
) -> None:
    answer = client.get(twin + path)
    assert answer.status_code == 404
    assert answer.json()["error"]


@pytest.mark.parametrize(
    "path", ["/", "/default", "/default/nobody", "/default/twin3", "/-/routes"]
)
def test_an_address_of_no_model_is_a_404_that_tells_nothing(
    platform: Platform, client: httpx.Client, path: str
) -> None:
    answer = client.get(platform.url + path)
    assert (answer.status_code, answer.headers["content-type"]) == (404, "application/json")
    assert answer.json() == {
        "error": f"no model answers at {path}; the address of a model is /<namespace>/<name>"
    }


def test_the_ledger_is_closed_to_strangers(platform: Platform, client: httpx.Client) -> None:
    answer = client.get(f"{platform.url}/-/shoal/models")
    assert answer.status_code == 401
    assert "twin" not in answer.text
