"""sample.json: a request that a model must answer, and what it is checked against."""

import json

import ml_dtypes
import numpy as np
import pytest
from stand_ins import Arithmetic, loaded, spec

from shoal.api.tensors import Datatype, TensorSpec
from shoal.errors import ProofFailed
from shoal_serving.proof import Proof, check_answer, read_proof
from shoal_serving.tasks.tensor import TensorTask

X = {"name": "x", "datatype": "FP32", "shape": [1, 2], "data": [1, 2]}
Y = {"name": "y", "datatype": "FP32", "shape": [1, 2], "data": [2, 4]}


@pytest.fixture
def task():
    return TensorTask(Arithmetic())


@pytest.fixture
def sample(tmp_path):
    """Writes sample.json: `sample({...})` or `sample(bytes)`; its folder."""

    def write(content):
        text = content if isinstance(content, bytes) else json.dumps(content).encode()
        (tmp_path / "sample.json").write_bytes(text)
        return tmp_path

    return write


def prove(folder, compute=None):
    backend = Arithmetic() if compute is None else Arithmetic(compute)
    model = loaded(backend)
    model.proof = read_proof(folder, model.task)
    try:
        model.prove()
    finally:
        model.close()


def test_the_sample_is_the_query(task, sample):
    proof = read_proof(sample({"inputs": [X]}), task)
    assert proof.query["x"].tolist() == [[1, 2]]
    assert proof.request == {"inputs": [X]}
    assert proof.expected == {}


def test_without_a_sample_the_query_is_the_tasks_example(task, tmp_path):
    proof = read_proof(tmp_path, task)
    assert proof.query["x"].tolist() == [[0, 0]]
    assert proof.request == {"inputs": [{**X, "data": [0, 0]}]}


def test_an_example_that_nobody_would_paste_is_no_request(tmp_path):
    task = TensorTask(Arithmetic(inputs=(spec("x", (1, 3, 224, 224)),)))
    assert read_proof(tmp_path, task).request is None


def test_an_example_of_text_has_text(tmp_path):
    task = TensorTask(Arithmetic(inputs=(spec("x", (-1,), Datatype.BYTES),)))
    assert read_proof(tmp_path, task).request["inputs"][0]["data"] == ["example"]


def test_an_example_has_no_optional_inputs(tmp_path):
    maybe = TensorSpec(name="maybe", datatype=Datatype.BOOL, shape=(1,), optional=True)
    task = TensorTask(Arithmetic(inputs=(spec("x"), maybe)))
    assert [tensor["name"] for tensor in read_proof(tmp_path, task).request["inputs"]] == ["x"]


def test_the_right_answer_proves_the_model(sample):
    prove(sample({"inputs": [X], "expected": [Y]}))


def test_a_rounded_answer_proves_the_model(sample):
    prove(sample({"inputs": [X], "expected": [{**Y, "data": [2.0004, 3.99]}]}))


@pytest.mark.parametrize(
    ("expected", "sentence"),
    [
        ({**Y, "data": [2, 5]}, r"y = \[\[2\. 4\.\]\], expected \[\[2\. 5\.\]\]"),
        ({**Y, "shape": [2, 1]}, "expected shape"),
        ({**Y, "name": "z"}, "'z' is unknown"),
        ({**Y, "datatype": "INT32"}, "expected datatype FP32"),
    ],
)
def test_another_answer_than_expected_fails_the_proof(sample, expected, sentence):
    with pytest.raises(ProofFailed, match=sentence):
        prove(sample({"inputs": [X], "expected": [expected]}))


def test_an_answer_of_another_shape_fails_the_proof(sample):
    folder = sample({"inputs": [X], "expected": [Y]})
    with pytest.raises(ProofFailed, match=r"y = \[\[2\. 2\.\]"):
        prove(folder, lambda inputs: {"y": np.full((2, 2), 2, np.float32)})


def test_an_answer_that_is_not_there_fails_the_proof():
    proof = Proof(None, None, {"y": np.ones(1)})
    with pytest.raises(ProofFailed, match="y = nothing"):
        check_answer(proof, {})


@pytest.mark.parametrize(
    "content",
    [
        b"{",
        b"[]",
        b"\xff\xfe",
        {},
        {"inputs": {}},
        {"inputs": []},
        {"inputs": [{**X, "name": "z"}]},
        {"inputs": [{**X, "data": [1]}]},
        {"inputs": [{**X, "data": [float("nan"), 1]}]},
        {"inputs": [X], "parameters": {"speed": 3}},
        {"inputs": [X], "expected": 3},
        {"inputs": [X], "expected": [3]},
    ],
)
def test_a_malformed_sample_fails_the_proof_with_the_way_out(task, sample, content):
    with pytest.raises(ProofFailed, match=r"sample\.json is not a request") as failed:
        read_proof(sample(content), task)
    assert failed.value.action == "Correct sample.json in the model's folder, or remove it."


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_an_answer_that_is_not_finite_fails_only_who_expects_another(sample, value):
    def compute(inputs):
        return {"y": np.full_like(inputs["x"], value)}

    prove(sample({"inputs": [X]}), compute)
    with pytest.raises(ProofFailed):
        prove(sample({"inputs": [X], "expected": [Y]}), compute)


def test_only_the_outputs_that_are_expected_are_compared(sample):
    proof = Proof(None, None, {"y": np.ones(1)})
    check_answer(proof, {"y": np.ones(1), "z": np.array([np.nan])})


def test_bfloat16_is_compared_as_the_number_it_is():
    expected = np.array([1.0], ml_dtypes.bfloat16)
    check_answer(Proof(None, None, {"y": expected}), {"y": np.array([1.005], ml_dtypes.bfloat16)})
    with pytest.raises(ProofFailed):
        check_answer(Proof(None, None, {"y": expected}), {"y": np.array([1.1], ml_dtypes.bfloat16)})


def test_texts_are_compared_exactly():
    proof = Proof(None, None, {"y": np.array([b"a", b"b"], np.object_)})
    check_answer(proof, {"y": np.array([b"a", b"b"], np.object_)})
    with pytest.raises(ProofFailed):
        check_answer(proof, {"y": np.array([b"a", b"c"], np.object_)})
