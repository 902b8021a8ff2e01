"""What a client gets wrong is refused in words that name it."""

import json

import pytest

from shoal.api.tensors import Datatype, TensorSpec
from shoal.errors import InvalidRequest
from shoal_serving.http.oip import decode

X = TensorSpec(name="x", datatype="FP32", shape=(-1, 2))
N = TensorSpec(name="n", datatype="INT8", shape=(-1,))
B = TensorSpec(name="b", datatype="BOOL", shape=(-1,))
T = TensorSpec(name="t", datatype="BYTES", shape=(-1,))
H = TensorSpec(name="h", datatype="BF16", shape=(-1,))


def x(**changes):
    fields = {"name": "x", "datatype": "FP32", "shape": [1, 2], "data": [1, 2], **changes}
    return {name: value for name, value in fields.items() if value is not ...}


def one(spec, *data):
    fields = {"name": spec.name, "datatype": spec.datatype, "shape": [len(data)]}
    return {"inputs": [{**fields, "data": list(data)}]}


def refusal(body, specs=(X,), header_length=None):
    with pytest.raises(InvalidRequest) as error:
        decode(body, header_length, specs)
    return error.value


BAD_BODIES = [
    (b"", "zero-length"),
    (b"\xff\xfe", "the body is not JSON"),
    (b"[1]", "the body: expected a JSON object, got [1]"),
    (b'{"inputs": [', "the body is not JSON: unexpected end of data"),
    (b'{"inputs": ' + b"[" * 5000, "the body is not JSON"),
    (b'{"inputs": [{"data": [1, NaN]}]}', """near '"data": [1, NaN]}]}'; NaN and infinity"""),
    (b'{"inputs": [{"data": [-Infinity]}]}', "send that tensor as binary data"),
    (b'{"inputs": [{"data": [1e999]}]}', "number is infinity"),
    (b'{"a": "\\ud800"}', "the body is not JSON"),
    (b'{"a": {"binary_data_size": 4}}\0\0\0\0', "Inference-Header-Content-Length must be there"),
]


@pytest.mark.parametrize(("body", "words"), BAD_BODIES)
def test_what_is_no_json_object_is_refused(body, words):
    assert words in str(refusal(body))


BAD_REQUESTS = [
    ({}, "inputs", "inputs: expected a list of tensors, got nothing"),
    ({"inputs": {}}, "inputs", "inputs: expected a list of tensors, got an object"),
    ({"inputs": ["x"]}, "inputs", 'inputs: expected objects, got "x"'),
    ({"inputs": [x(name=...)]}, "inputs", "expected a string as 'name', got nothing"),
    ({"inputs": [x(name=["x"])]}, "inputs", "expected a string as 'name', got [\"x\"]"),
    ({"inputs": []}, "x", "input 'x': missing, expected FP32 [-1,2]"),
    ({"inputs": [x(), x(name="z")]}, "z", "input 'z' is unknown; the model's inputs are 'x'"),
    ({"inputs": [x(), x()]}, "x", "input 'x': was sent twice"),
    ({"inputs": [x(datatype="INT64")]}, "x", "input 'x': expected datatype FP32, got \"INT64\""),
    ({"inputs": [x(datatype=...)]}, "x", "expected datatype FP32, got nothing"),
    ({"inputs": [x(datatype={})]}, "x", "expected datatype FP32, got an object"),
    ({"inputs": [x(shape=...)]}, "x", "expected a list of integers as 'shape', got nothing"),
    ({"inputs": [x(shape="2")]}, "x", "expected a list of integers as 'shape', got \"2\""),
    ({"inputs": [x(shape=[1.0, 2])]}, "x", "a list of integers as 'shape', got [1.0,2]"),
    ({"inputs": [x(shape=[True, 2])]}, "x", "a list of integers as 'shape', got [true,2]"),
    ({"inputs": [x(shape=[[1], 2])]}, "x", "a list of integers as 'shape', got [[…],2]"),
    ({"inputs": [x(shape=[2**70, 2])]}, "x", "a list of integers as 'shape', got [1.18"),
    ({"inputs": [x(shape=[2])]}, "x", "expected shape [-1,2] (-1 is any size from 0 up), got [2]"),
    ({"inputs": [x(shape=[1, 3])]}, "x", "expected shape [-1,2] (-1 is any size"),
    ({"inputs": [x(shape=[-1, 2])]}, "x", "(-1 is any size from 0 up), got [-1,2]"),
    ({"inputs": [x(shape=[1] * 99)]}, "x", "got [1,1,1,1,1,1,1,1,…]"),
    ({"inputs": [x(shape=[2**63, 2])]}, "x", "takes 18446744073709551616 elements, got 2"),
    ({"inputs": [x(data=[1, 2, 3])]}, "x", "shape [1,2] takes 2 elements, got 3 in 'data'"),
    ({"inputs": [x(data=...)]}, "x", "input 'x': expected a list as 'data', got nothing"),
    ({"inputs": [x(data=7)]}, "x", "input 'x': expected a list as 'data', got 7"),
    ({"inputs": [x(data=[[1], [2]])]}, "x", "'data' is not nested as shape [1,2] is"),
    ({"inputs": [x(data=[[[1, 2]]])]}, "x", "'data' is not nested as shape [1,2] is"),
    ({"inputs": [x(data=[[[1], 2]])]}, "x", "element 0 of 'data': expected a number"),
    ({"inputs": [x(data=[[1, 2], 3])]}, "x", "'data' is not nested as shape [1,2] is"),
    ({"inputs": [x(shape=[2, 2], data=[[1, 2], 3])]}, "x", "'data' is not nested"),
    ({"inputs": [x(data=[1, "2"])]}, "x", "element 1 of 'data': expected a number"),
    ({"inputs": [x(data=[None, 1])]}, "x", "element 0 of 'data': expected a number"),
    ({"inputs": [x(data=[True, 1])]}, "x", "from -3.403e+38 to 3.403e+38, got true"),
    ({"inputs": [x(data=[0, 1e39])]}, "x", "element 1 of 'data': expected a number"),
    ({"inputs": [x(parameters=[])]}, "x", "input 'x': 'parameters' must be an object, got []"),
    ({"inputs": [x(parameters={"binary_data_size": 8})]}, "x", "either 'data' or"),
    (
        {"inputs": [x(data=..., parameters={"binary_data_size": 8})]},
        "x",
        "'binary_data_size' is 8, but 0 bytes are left",
    ),
    (
        {"inputs": [x(data=..., parameters={"binary_data_size": -1})]},
        "binary_data_size",
        "input 'x': 'binary_data_size' must be a count, got -1",
    ),
    (
        {"inputs": [x(data=..., parameters={"binary_data_size": True})]},
        "binary_data_size",
        "input 'x': 'binary_data_size' must be a count, got true",
    ),
    (
        {"inputs": [x(data=..., parameters={"shared_memory_region": "r"})]},
        "x",
        "input 'x': shared memory is not offered",
    ),
    ({"inputs": [x()], "id": 7}, "id", "id: expected a string, got 7"),
    ({"inputs": [x()], "parameters": 7}, "parameters", "'parameters' must be an object, got 7"),
    (
        {"inputs": [x()], "parameters": {"binary_data_output": 1}},
        "binary_data_output",
        "the request: 'binary_data_output' must be true or false, got 1",
    ),
    ({"inputs": [x()], "outputs": {}}, "outputs", "outputs: expected a list of tensors"),
    ({"inputs": [x()], "outputs": [{}]}, "outputs", "outputs: expected a string as 'name'"),
    ({"inputs": [x()], "outputs": [{"name": "y"}] * 2}, "outputs", "one is asked for twice"),
    (
        {"inputs": [x()], "outputs": [{"name": "y", "parameters": {"binary_data": "yes"}}]},
        "binary_data",
        "output 'y': 'binary_data' must be true or false, got \"yes\"",
    ),
    (
        {"inputs": [x()], "outputs": [{"name": "y", "parameters": {"classification": 1.5}}]},
        "classification",
        "output 'y': 'classification' must be a count, got 1.5",
    ),
    (
        {"inputs": [x()], "outputs": [{"name": "y", "parameters": {"shared_memory_region": "r"}}]},
        "y",
        "output 'y': shared memory is not offered",
    ),
]


@pytest.mark.parametrize(("document", "param", "words"), BAD_REQUESTS)
def test_a_bad_request_is_refused_by_name(document, param, words):
    error = refusal(json.dumps(document).encode())

    assert words in str(error)
    assert error.param == param


@pytest.mark.parametrize(
    ("spec", "value", "words"),
    [
        (N, 128, "expected an integer from -128 to 127, got 128"),
        (N, 1.0, "expected an integer from -128 to 127, got 1.0"),
        (N, True, "expected an integer from -128 to 127, got true"),
        (N, 2**64, "expected an integer from -128 to 127, got 1.8446744073709552e"),
        (B, 1, "expected true or false, got 1"),
        (B, "true", 'expected true or false, got "true"'),
        (H, 1e39, "expected a number from -3.39e+38 to 3.39e+38, got 1e"),
        (T, 7, "expected a string, got 7"),
        (T, None, "expected a string, got nothing"),
    ],
)
def test_an_element_that_does_not_fit_is_named(spec, value, words):
    good = {"INT8": 1, "BOOL": True, "BF16": 0.5, "BYTES": "a"}[spec.datatype]
    document = one(spec, good, good, value, value, good)

    error = refusal(json.dumps(document).encode(), [spec])

    assert f"input '{spec.name}': element 2 of 'data': {words}" in str(error)


@pytest.mark.parametrize("datatype", [d for d in Datatype if "INT" in d])
def test_every_integer_datatype_has_its_range(datatype):
    spec = TensorSpec(name="n", datatype=datatype, shape=(-1,))
    bits = int(datatype.strip("UINT"))
    low, high = (
        (0, 2**bits - 1) if datatype[0] == "U" else (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)
    )
    words = f"expected an integer from {low} to {high}"

    assert decode(json.dumps(one(spec, low, high)).encode(), None, [spec]).inputs["n"].size == 2
    assert words in str(refusal(json.dumps(one(spec, low - 1)).encode(), [spec]))
    assert words in str(refusal(json.dumps(one(spec, high + 1)).encode(), [spec]))


@pytest.mark.parametrize(
    ("spec", "shape", "tail", "words"),
    [
        (X, [1, 2], b"\0" * 7, "FP32 [1,2] takes 8 bytes of binary data, got 7"),
        (X, [2**40, 2], b"\0" * 8, "FP32 [1099511627776,2] takes 8796093022208 bytes"),
        (X, [0, 2], b"\0" * 8, "FP32 [0,2] takes 0 bytes of binary data, got 8"),
        (B, [2], b"\0\2", "expected bytes of 0 or 1"),
        (T, [1], b"\1\0", "binary data end within element 0"),
        (T, [2], b"\0\0\0\0\3\0\0\0ab", "binary data end within element 1"),
        (T, [1], b"\xff\xff\xff\xffab", "binary data end within element 0"),
        (T, [3], b"\0\0\0\0\1\0\0\0a", "shape [3] takes 3 elements, got 2"),
        (T, [0], b"\0\0\0\0", "shape [0] takes 0 elements, got 1"),
    ],
)
def test_binary_data_must_fill_the_shape(spec, shape, tail, words):
    fields = {"name": spec.name, "datatype": spec.datatype, "shape": shape}
    head = json.dumps({"inputs": [{**fields, "parameters": {"binary_data_size": len(tail)}}]})

    error = refusal(head.encode() + tail, [spec], len(head))

    assert words in str(error)
    assert error.param == spec.name


@pytest.mark.parametrize("size", [2**62, 2**63, 2**64 - 1])
def test_an_empty_shape_too_large_for_memory_is_refused(size):
    spec = TensorSpec(name="x", datatype="FP32", shape=(-1, -1))
    document = {"inputs": [x(shape=[0, size], data=[])]}

    assert f"[0,{size}] is too large" in str(refusal(json.dumps(document).encode(), [spec]))


def test_bytes_left_over_are_refused():
    head = json.dumps({"inputs": [x()]}).encode()

    assert "3 bytes are left over" in str(refusal(head + b"abc", header_length=len(head)))


@pytest.mark.parametrize("length", [-1, 999])
def test_a_header_length_outside_the_body_is_refused(length):
    words = str(refusal(b"{}", header_length=length))

    assert (
        f"Inference-Header-Content-Length: expected at most 2, the bytes of the body, got {length}"
        in words
    )


@pytest.mark.parametrize(
    ("specs", "body", "words"),
    [
        ([X, N], b"", "is for models of one input, and this one has 2"),
        ([X], b"\0" * 12, "FP32 [-1,2] takes a multiple of 8 bytes, got 12"),
        ([TensorSpec(name="x", datatype="FP32", shape=(-1, -1, -1))], b"", "cannot tell the shape"),
        ([TensorSpec(name="x", datatype="FP32", shape=(2, -1, -1))], b"", "cannot tell the shape"),
        ([TensorSpec(name="x", datatype="BYTES", shape=(-1, 2))], b"", "must hold one element"),
    ],
)
def test_a_raw_binary_request_needs_one_deducible_input(specs, body, words):
    assert words in str(refusal(body, specs, 0))


def test_messages_stay_short_whatever_came():
    for document in (
        {"inputs": [x(name="n" * 10**5)]},
        {"inputs": [x(datatype="d" * 10**5)]},
        {"inputs": [x(shape=[7] * 10**5)]},
        {"inputs": [x(shape=[["s" * 10**5]] * 3)]},
        {"inputs": [x()], "id": ["i" * 10**5] * 9},
    ):
        assert len(str(refusal(json.dumps(document).encode()))) < 1000


def test_one_bad_element_among_a_million_is_named():
    body = json.dumps(one(N, *[1] * 876_543, 128, *[1] * 123_456)).encode()

    assert "element 876543 of 'data'" in str(refusal(body, [N]))
