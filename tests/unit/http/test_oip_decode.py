"""Reading Open Inference Protocol requests."""

import json
import struct

import ml_dtypes
import numpy as np
import pytest

from shoal.api.tensors import TensorSpec
from shoal_serving.http.oip import RequestedOutput, decode

BF16 = ml_dtypes.bfloat16
SAMPLES = {
    "BOOL": np.array([[True, False], [False, True]]),
    "UINT8": np.array([[0, 255], [1, 2]], np.uint8),
    "UINT16": np.array([[0, 2**16 - 1], [1, 2]], np.uint16),
    "UINT32": np.array([[0, 2**32 - 1], [1, 2]], np.uint32),
    "UINT64": np.array([[0, 2**64 - 1], [1, 2]], np.uint64),
    "INT8": np.array([[-128, 127], [-1, 0]], np.int8),
    "INT16": np.array([[-(2**15), 2**15 - 1], [-1, 0]], np.int16),
    "INT32": np.array([[-(2**31), 2**31 - 1], [-1, 0]], np.int32),
    "INT64": np.array([[-(2**63), 2**63 - 1], [-1, 0]], np.int64),
    "FP16": np.array([[-65504, 65504], [0.1, 0]], np.float16),
    "BF16": np.array([[-3.39e38, 3.39e38], [0.1, 0]], BF16),
    "FP32": np.array([[-3.4028235e38, 3.4028235e38], [0.1, 0]], np.float32),
    "FP64": np.array([[-1.7976931348623157e308, 1.7976931348623157e308], [0.1, 0]]),
    "BYTES": np.array([["告警", "a"], ["", "📟"]], object),
}
every_datatype = pytest.mark.parametrize("datatype", SAMPLES)


def spec(datatype="FP32", shape=(-1, 2), name="x"):
    return TensorSpec(name=name, datatype=datatype, shape=shape)


def tensor(datatype="FP32", shape=(2, 2), name="x", **fields):
    return {"name": name, "datatype": datatype, "shape": list(shape), **fields}


def read(document, specs=None, tail=b""):
    head = json.dumps(document).encode()
    return decode(head + tail, len(head) if tail else None, specs or [spec()])


def as_bytes(array):
    if array.dtype != object:
        return array.tobytes()
    texts = [text.encode() for text in array.ravel()]
    return b"".join(struct.pack("<I", len(text)) + text for text in texts)


def same(came, sample):
    if sample.dtype == object:
        assert came.tolist() == [[text.encode() for text in row] for row in sample]
        return
    assert came.dtype == sample.dtype
    np.testing.assert_array_equal(came, sample)


@every_datatype
def test_flat_json_becomes_a_tensor(datatype):
    sample = SAMPLES[datatype]
    document = {"inputs": [tensor(datatype, data=sample.ravel().tolist())]}

    same(read(document, [spec(datatype)]).inputs["x"], sample)


@every_datatype
def test_nested_json_becomes_a_tensor(datatype):
    sample = SAMPLES[datatype]
    document = {"inputs": [tensor(datatype, data=sample.tolist())]}

    same(read(document, [spec(datatype)]).inputs["x"], sample)


@every_datatype
def test_binary_data_become_a_tensor(datatype):
    sample = SAMPLES[datatype]
    tail = as_bytes(sample)
    document = {"inputs": [tensor(datatype, parameters={"binary_data_size": len(tail)})]}

    same(read(document, [spec(datatype)], tail).inputs["x"], sample)


@every_datatype
@pytest.mark.parametrize("shape", [(0, 2), (2, 0), (0,)])
def test_a_tensor_may_be_empty(datatype, shape):
    specs = [spec(datatype, [-1] * len(shape))]
    flat = {"inputs": [tensor(datatype, shape, data=[])]}
    nested = {"inputs": [tensor(datatype, shape, data=np.zeros(shape).tolist())]}
    binary = {"inputs": [tensor(datatype, shape, parameters={"binary_data_size": 0})]}

    for document in (flat, nested, binary):
        assert read(document, specs).inputs["x"].shape == shape


def test_a_scalar_is_one_element_without_dimensions():
    document = {"inputs": [tensor(shape=(), data=[7])]}

    assert read(document, [spec(shape=())]).inputs["x"] == np.float32(7)


def test_binary_nan_and_infinity_are_values():
    tail = struct.pack("<4f", float("nan"), float("inf"), -float("inf"), 0)
    document = {"inputs": [tensor(parameters={"binary_data_size": 16})]}

    np.testing.assert_array_equal(
        read(document, tail=tail).inputs["x"].ravel(), [np.nan, np.inf, -np.inf, 0]
    )


def test_null_data_leave_room_for_binary_data():
    document = {"inputs": [tensor(shape=(1, 2), data=None, parameters={"binary_data_size": 8})]}

    assert read(document, tail=struct.pack("<2f", 1, 2)).inputs["x"].tolist() == [[1, 2]]


def test_json_and_binary_inputs_mix_in_one_request():
    specs = [spec(name="a"), spec("INT64", name="b"), spec("BYTES", (-1,), name="c")]
    document = {
        "inputs": [
            tensor("BYTES", (2,), "c", parameters={"binary_data_size": 11}),
            tensor("INT64", (1, 2), "b", data=[5, 6]),
            tensor("FP32", (1, 2), "a", parameters={"binary_data_size": 8}),
        ]
    }
    tail = b"\2\0\0\0\xff\x00\1\0\0\0x" + struct.pack("<2f", 1, 2)

    inputs = read(document, specs, tail).inputs

    assert inputs["a"].tolist() == [[1, 2]]
    assert inputs["b"].tolist() == [[5, 6]]
    assert inputs["c"].tolist() == [b"\xff\x00", b"x"]


def padded(array, alignment):
    head = json.dumps(
        {"inputs": [tensor(shape=array.shape, parameters={"binary_data_size": array.nbytes})]}
    ).encode()
    head += b" " * (-len(head) % 16 + alignment)
    return head + array.tobytes(), len(head)


def test_aligned_binary_data_are_a_read_only_view_of_the_body():
    body, length = padded(np.ones((4, 2), np.float32), 0)
    view = bytearray(body)

    tensor = decode(memoryview(view), length, [spec()]).inputs["x"]
    view[length:] = np.full((4, 2), 7, np.float32).tobytes()

    assert tensor.tolist() == [[7, 7]] * 4
    assert not tensor.flags.writeable


def test_unaligned_binary_data_are_copied_into_place():
    body, length = padded(np.ones((4, 2), np.float32), 1)

    tensor = decode(body, length, [spec()]).inputs["x"]

    assert tensor.flags.aligned
    assert tensor.tolist() == [[1, 1]] * 4


def test_id_and_parameters_are_kept_and_unknown_fields_ignored():
    request = read(
        {
            "id": "7",
            "model_name": "other",
            "later": [1],
            "parameters": {"timeout": 5, "ratio": 0.5},
            "inputs": [tensor(data=[1, 2, 3, 4], note="x", parameters={"mine": 1})],
        }
    )

    assert request.id == "7"
    assert request.parameters == {"timeout": 5, "ratio": 0.5}
    assert request.outputs is None
    assert request.binary_default is False


def test_null_fields_count_as_absent():
    document = {"id": None, "parameters": None, "outputs": None}
    request = read({**document, "inputs": [tensor(data=[1, 2, 3, 4], parameters=None)]})

    assert (request.id, request.parameters, request.outputs) == (None, {}, None)


def test_an_empty_list_of_outputs_asks_for_all():
    assert read({"inputs": [tensor(data=[1, 2, 3, 4])], "outputs": []}).outputs is None


def test_an_output_says_its_form_or_takes_the_default():
    request = read(
        {
            "inputs": [tensor(data=[1, 2, 3, 4])],
            "parameters": {"binary_data_output": True},
            "outputs": [
                {"name": "y"},
                {"name": "z", "parameters": {"binary_data": False, "classification": 3}},
                {"name": "w", "parameters": {"classification": 0}},
            ],
        }
    )

    assert request.outputs == (
        RequestedOutput("y", True, None),
        RequestedOutput("z", False, 3),
        RequestedOutput("w", True, None),
    )


@pytest.mark.parametrize(
    ("declared", "shape"), [((2, 2), (2, 2)), ((-1, 2), (2, 2)), ((-1, -1, 2), (1, 2, 2))]
)
def test_a_raw_binary_request_is_one_tensor_of_a_deduced_shape(declared, shape):
    values = np.arange(4, dtype=np.float32)

    request = decode(values.tobytes(), 0, [spec(shape=declared)])

    np.testing.assert_array_equal(request.inputs["x"], values.reshape(shape))
    assert request.binary_default is True


def test_a_raw_binary_request_may_be_one_text():
    request = decode(b"disk full", 0, [spec("BYTES", (-1, 1))])

    assert request.inputs["x"].tolist() == [[b"disk full"]]


MAYBE = TensorSpec(name="maybe", datatype="BOOL", shape=(1,), optional=True)


@pytest.mark.parametrize("sent", [False, True])
def test_an_optional_input_may_lack(sent):
    inputs = [tensor(data=[1, 2, 3, 4])]
    if sent:
        inputs.append(tensor("BOOL", (1,), "maybe", data=[True]))
    request = decode(json.dumps({"inputs": inputs}).encode(), None, [spec(), MAYBE])

    assert ("maybe" in request.inputs) is sent


def test_a_raw_binary_request_is_the_one_input_that_is_needed():
    request = decode(b"disk full", 0, [spec("BYTES", (-1,)), MAYBE])

    assert request.inputs["x"].tolist() == [b"disk full"]
