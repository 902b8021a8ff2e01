import json

import numpy as np
import pytest

from shoal.api.model import OnnxRuntime
from shoal.api.tensors import Datatype
from shoal.errors import InvalidRequest
from shoal_serving.backends.onnx import OnnxBackend
from shoal_serving.tasks.tensor import TensorTask


@pytest.fixture
def task(graph, named):
    """X [-1, 2] and y [-1, -1] to their sums by row."""
    inputs = (named("x", (-1, 2)), named("y", (-1, -1)))
    return TensorTask(graph((named("sum", (-1,)),), add_rows, inputs=inputs))


def add_rows(inputs):
    return {"sum": inputs["x"].sum(axis=1) + inputs["y"].sum(axis=1)}


def request(rows, width=3, fill=1.0):
    return {
        "x": np.full((rows, 2), fill, np.float32),
        "y": np.full((rows, width), fill, np.float32),
    }


def test_a_request_is_as_many_rows_as_its_first_dimension(task):
    feeds = task.encode(task.from_tensors(request(rows=5), {})).feeds
    assert [feed.rows for feed in feeds] == [5]


def test_requests_share_a_batch_when_their_other_dimensions_agree(task):
    def key(*sizes):
        return task.encode(request(*sizes)).feeds[0].key

    assert key(1, 3) == key(7, 3)
    assert key(1, 3) != key(1, 4)


def test_requests_never_share_a_batch_where_the_backend_does_not_batch(graph, named):
    task = TensorTask(graph((), inputs=(named("x", (1, 2)),), batches=False))
    inputs = {"x": np.zeros((1, 2), np.float32)}
    assert task.encode(inputs).feeds[0].key != task.encode(inputs).feeds[0].key


def test_inputs_of_different_first_dimensions_run_alone(task):
    inputs = {"x": np.ones((1, 2), np.float32), "y": np.ones((5, 3), np.float32)}
    first, second = (task.encode(task.from_tensors(inputs, {})).feeds for _ in range(2))
    assert [feed.rows for feed in first] == [1]
    assert first[0].tensors == inputs
    assert len({first[0].key, second[0].key, task.encode(request(1)).feeds[0].key}) == 3


def test_feeds_are_joined_in_order(task):
    feeds = [task.encode(request(rows, fill=fill)).feeds[0] for rows, fill in [(1, 1), (2, 2)]]
    batch = task.collate(feeds)
    assert batch["x"].tolist() == [[1, 1], [2, 2], [2, 2]]
    assert batch["y"].shape == (3, 3)


def test_an_answer_is_what_the_graph_gave(task, ask, graph, named):
    answer = ask(task, graph((named("sum", (-1,)),), add_rows), request(2))
    assert task.to_tensors(answer)["sum"].tolist() == [5, 5]


def test_a_request_without_rows_is_one_of_zero_rows(task):
    assert task.encode(task.from_tensors(request(rows=0), {})).feeds[0].rows == 0


@pytest.mark.parametrize(
    ("change", "named_input", "sentence"),
    [
        ({"y": None}, "y", "input 'y' is missing; expected x, y"),
        ({"z": np.zeros(1)}, "z", "unknown input 'z'; expected x, y"),
        (
            {"x": np.zeros((1, 2), np.int64)},
            "x",
            "input 'x': expected FP32 of shape [-1, 2], got INT64 of shape [1, 2]",
        ),
        (
            {"x": np.zeros((1, 3), np.float32)},
            "x",
            "input 'x': expected FP32 of shape [-1, 2], got FP32 of shape [1, 3]",
        ),
        (
            {"x": np.zeros(2, np.float32)},
            "x",
            "input 'x': expected FP32 of shape [-1, 2], got FP32 of shape [2]",
        ),
    ],
)
def test_a_wrong_input_is_refused_by_name(task, change, named_input, sentence):
    inputs = {name: array for name, array in (request(1) | change).items() if array is not None}
    with pytest.raises(InvalidRequest) as refused:
        task.from_tensors(inputs, {})
    assert str(refused.value) == sentence
    assert refused.value.param == named_input


def test_an_unknown_parameter_is_refused(task):
    with pytest.raises(InvalidRequest, match="unknown parameter 'top_k'; there are none here"):
        task.from_tensors(request(1), {"top_k": 1})


def test_the_hugging_face_shape_is_refused_with_the_way_that_works(task):
    with pytest.raises(InvalidRequest, match="/v2/models/NAME/infer"):
        task.from_json({"inputs": [1, 2]})


def test_the_example_is_zeros_with_dynamic_dimensions_of_one(graph, named):
    inputs = (named("x", (-1, 2)), named("s", (-1,), Datatype.BYTES), named("n", (), Datatype.BOOL))
    example = TensorTask(graph((), inputs=inputs)).example()
    assert example["x"].tolist() == [[0, 0]]
    assert example["s"].tolist() == [b""]
    assert example["n"].tolist() is False


def test_a_real_graph_answers_as_its_reference(ask, samples):
    cases = json.loads((samples / "digits" / "reference.json").read_bytes())["cases"]
    backend = OnnxBackend(samples / "digits" / "model.onnx", OnnxRuntime(), threads=1)
    task = TensorTask(backend)
    images = np.array([case["image"] for case in cases], np.float32)
    answer = ask(task, backend, task.from_tensors({task.inputs[0].name: images}, {}))
    backend.close()
    assert answer["digit"].tolist() == [case["digit"] for case in cases]
    wanted = [case["probability"] for case in cases]
    np.testing.assert_allclose(answer["probability"], wanted, atol=1e-5)
