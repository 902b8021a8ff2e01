"""ONNX Runtime with real graphs: what it takes, what it gives, and what it refuses and how."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import ml_dtypes
import numpy as np
import onnx
import onnxruntime
import pytest
from graphs import KINDS, adder, broken, identities
from onnx import TensorProto, helper, numpy_helper

from shoal.api.tensors import Datatype
from shoal.errors import (
    InferenceFailed,
    InvalidRequest,
    MemoryExceeded,
    MemoryUsedUp,
    ModelLoadFailed,
    ProviderUnavailable,
)
from shoal_serving.backends import onnx as onnx_backend
from shoal_serving.tensors import DTYPES

FAIL = onnx_backend.ort.capi.onnxruntime_pybind11_state.Fail
USED_UP = "Available memory of 112840960 is smaller than requested bytes of 201326592"

VALUES = {
    "BOOL": [True, False],
    "FP16": [-65504, 0.1],
    "BF16": [-3.39e38, 0.1],
    "FP32": [-3.4028235e38, np.nan],
    "FP64": [-1.7e308, np.inf],
    "BYTES": ["告警".encode(), b""],
}


def sample(datatype, shape=(1, 2)):
    """Two values of a datatype, its extremes where it has integers."""
    dtype = DTYPES[Datatype(datatype)]
    array = np.empty(2, dtype)
    array[:] = VALUES.get(datatype) or [np.iinfo(dtype).min, np.iinfo(dtype).max]
    return array.reshape(shape)


def texts(*values):
    array = np.empty(len(values), np.object_)
    array[:] = values
    return array


@pytest.mark.parametrize("datatype", KINDS)
def test_every_datatype_goes_in_and_comes_out(identity, datatype):
    backend = identity(KINDS[datatype], ("n", "m"))
    value = sample(datatype)
    came = backend.run({"x": value})["y"]
    assert (came.dtype, came.shape) == (value.dtype, value.shape)
    np.testing.assert_array_equal(came, value)
    assert backend.inputs[0].datatype == backend.outputs[0].datatype == datatype


@pytest.mark.parametrize("datatype", KINDS)
@pytest.mark.parametrize("shape", [(0,), (0, 3), (2, 0)])
def test_tensors_without_elements_go_in_and_come_out(identity, datatype, shape):
    backend = identity(KINDS[datatype], ["n", "m"][: len(shape)])
    came = backend.run({"x": np.empty(shape, DTYPES[Datatype(datatype)])})["y"]
    assert came.shape == shape


@pytest.mark.parametrize("datatype", sorted(KINDS.keys() - {"BYTES"}))
def test_views_of_a_request_that_nobody_may_write_to_are_read(identity, datatype):
    value = sample(datatype, (2,))
    backend = identity(KINDS[datatype])
    view = np.frombuffer(value.tobytes(), value.dtype)[::-1]
    np.testing.assert_array_equal(backend.run({"x": view})["y"], value[::-1])


@pytest.mark.parametrize("left_out", ["BF16", "BYTES"])
def test_datatypes_may_be_mixed_in_one_graph(opened, tmp_path, left_out):
    identities(tmp_path, KINDS.keys() - {left_out})
    backend = opened(tmp_path / "model.onnx")
    values = {spec.name: sample(spec.datatype) for spec in backend.inputs}
    for name, came in backend.run(values).items():
        np.testing.assert_array_equal(came, values[name.removesuffix("_out")])


def test_text_beside_bfloat16_fails_the_load_with_the_way_out(opened, tmp_path):
    identities(tmp_path, ["BF16", "BYTES"])
    with pytest.raises(ModelLoadFailed, match=r"text beside BF16\..*Cast"):
        opened(tmp_path / "model.onnx")


def test_a_bfloat16_output_of_a_float_graph_is_read(graph):
    backend = graph(
        [helper.make_node("Cast", ["x"], ["y"], to=TensorProto.BFLOAT16)],
        {"x": (TensorProto.FLOAT, ["n"])},
        {"y": (TensorProto.BFLOAT16, ["n"])},
    )
    came = backend.run({"x": np.array([1.5, -2], np.float32)})["y"]
    assert came.dtype == ml_dtypes.bfloat16
    assert came.tolist() == [1.5, -2]


def test_texts_keep_their_zero_characters_and_emoji(identity):
    value = texts("📟 a\0b".encode(), b"")
    assert identity(TensorProto.STRING).run({"x": value})["y"].tolist() == value.tolist()


def test_bytes_that_are_not_utf8_are_the_callers_mistake(identity):
    with pytest.raises(InvalidRequest, match="input 'x': expected UTF-8 text") as refused:
        identity(TensorProto.STRING).run({"x": texts(b"good", b"\xff\xfe")})
    assert refused.value.param == "x"


def test_a_scalar_is_a_tensor_of_no_dimensions(identity):
    backend = identity(shape=())
    assert (backend.inputs[0].shape, backend.batches) == ((), False)
    assert backend.run({"x": np.array(3, np.float32)})["y"].shape == ()


def test_only_the_outputs_that_are_asked_for_are_computed(graph):
    nodes = [helper.make_node("Neg", ["x"], ["y"]), helper.make_node("Abs", ["x"], ["z"])]
    each = (TensorProto.FLOAT, ["n"])
    backend = graph(nodes, {"x": each}, {"y": each, "z": each})
    x = np.array([-1], np.float32)
    assert backend.run({"x": x}, ["z"]).keys() == {"z"}
    assert backend.run({"x": x}).keys() == {"y", "z"}


@pytest.mark.parametrize(
    ("x", "y", "batches"),
    [
        (["n", 2], ["n", 2], True),
        ([None, 2], [None, 2], True),
        ([1, 2], [1, 2], False),
        (["n", 2], [3, 2], False),
        ([], [], False),
    ],
)
def test_rows_may_run_together_where_every_first_dimension_is_dynamic(graph, x, y, batches):
    node = helper.make_node("Identity", ["x"], ["y"])
    kind = TensorProto.FLOAT
    assert graph([node], {"x": (kind, x)}, {"y": (kind, y)}).batches is batches


def test_a_graph_without_inputs_does_not_batch(graph):
    node = helper.make_node("Constant", [], ["y"], value_floats=[1.0])
    backend = graph([node], {}, {"y": (TensorProto.FLOAT, ["n"])})
    assert not backend.batches
    assert backend.run({})["y"].tolist() == [1]


def lookup(graph):
    table = numpy_helper.from_array(np.arange(3, dtype=np.float32), "table")
    node = helper.make_node("Gather", ["table", "x"], ["y"])
    kinds = {"x": (TensorProto.INT64, ["n"])}, {"y": (TensorProto.FLOAT, ["n"])}
    return graph([node], *kinds, [table])


def test_an_index_out_of_range_is_the_callers_mistake(graph, capfd):
    backend = lookup(graph)
    with pytest.raises(InvalidRequest, match=r"idx=99 must be within.*\[-3,2\]"):
        backend.run({"x": np.array([0, 99])})
    assert backend.run({"x": np.array([2])})["y"].tolist() == [2]
    assert capfd.readouterr().err == ""


def test_memory_that_is_not_there_is_not_the_callers_mistake(graph):
    node = helper.make_node("ConstantOfShape", ["x"], ["y"])
    kinds = {"x": (TensorProto.INT64, [1])}, {"y": (TensorProto.FLOAT, ["n"])}
    with pytest.raises(InferenceFailed, match=r"the machine failed: .*allocate memory"):
        graph([node], *kinds).run({"x": np.array([10**13])})


def test_weights_for_which_there_is_no_memory_are_told(tmp_path, monkeypatch, opened):
    def full(*asked, **more):
        raise FAIL(f"Exception during initialization: {USED_UP}")

    monkeypatch.setattr(onnx_backend.ort, "InferenceSession", full)
    with pytest.raises(
        MemoryExceeded, match=r"m\.onnx cannot be loaded: the model's share"
    ) as told:
        opened(tmp_path / "m.onnx")
    assert "spec.resources.gpu.memory" in told.value.action


def test_a_share_in_pieces_is_made_whole_and_the_run_tried_again(monkeypatch, identity):
    x = np.ones(3, np.float32)
    monkeypatch.setattr(onnx_backend.ort, "InferenceSession", in_pieces(until=2))
    assert identity().run({"x": x})["y"].tolist() == [1, 1, 1]
    monkeypatch.setattr(onnx_backend.ort, "InferenceSession", in_pieces(until=9))
    with pytest.raises(MemoryUsedUp, match="a run wants 192 MiB more, 108 MiB are left"):
        identity().run({"x": x})


def in_pieces(until):
    """A session on a GPU whose arena is whole after so many runs that shrink it."""
    runs = []

    class InPieces(onnx_backend.ort.InferenceSession):
        def get_providers(self):
            return ["CUDAExecutionProvider", "CPUExecutionProvider"]

        def run(self, outputs, inputs, options=None):
            if options is not None:
                shrinks = options.get_run_config_entry("memory.enable_memory_arena_shrinkage")
                assert shrinks == "gpu:0"
            runs.append(options)
            if len(runs) <= until:
                raise FAIL(USED_UP)
            return super().run(outputs, inputs)

    return InPieces


def test_values_that_fit_no_shape_are_the_callers_mistake(graph):
    shape = numpy_helper.from_array(np.array([-1, 4]), "shape")
    node = helper.make_node("Reshape", ["x", "shape"], ["y"])
    kinds = {"x": (TensorProto.FLOAT, ["n"])}, {"y": (TensorProto.FLOAT, ["m", 4])}
    with pytest.raises(InvalidRequest, match="cannot be reshaped"):
        graph([node], *kinds, [shape]).run({"x": np.ones(3, np.float32)})


@pytest.mark.parametrize("x", [np.ones((1, 1), np.float32), np.ones(1, np.float64)])
def test_a_tensor_that_the_graph_does_not_take_is_the_callers_mistake(identity, x):
    with pytest.raises(InvalidRequest):
        identity().run({"x": x})


def test_a_closed_backend_says_so(identity):
    backend = identity()
    backend.close()
    with pytest.raises(InferenceFailed, match="the model was unloaded"):
        backend.run({"x": np.ones(1, np.float32)})


def test_several_threads_may_run_it_at_once(identity):
    backend = identity()

    def run(number):
        x = np.full(100, number, np.float32)
        return all((backend.run({"x": x})["y"] == number).all() for _ in range(50))

    with ThreadPoolExecutor(4) as threads:
        assert all(threads.map(run, range(8)))


def test_weights_in_files_beside_the_graph_are_read(opened, tmp_path):
    adder(tmp_path, 1)
    model = onnx.load(tmp_path / "model.onnx")
    model.graph.initializer[0].CopyFrom(numpy_helper.from_array(np.full(4, 3, "f"), "amount"))
    place = {"save_as_external_data": True, "location": "weights", "size_threshold": 0}
    onnx.save(model, tmp_path / "model.onnx", **place)
    assert (tmp_path / "weights").stat().st_size == 16
    x = np.zeros((1, 4), np.float32)
    assert opened(tmp_path / "model.onnx").run({"x": x})["y"].tolist() == [[3, 3, 3, 3]]


def test_weights_that_are_missing_fail_the_load(opened, tmp_path):
    test_weights_in_files_beside_the_graph_are_read(opened, tmp_path)
    (tmp_path / "weights").unlink()
    with pytest.raises(ModelLoadFailed, match=r"cannot load model\.onnx"):
        opened(tmp_path / "model.onnx")


def test_a_file_that_is_no_graph_fails_with_one_sentence(opened, tmp_path):
    broken(tmp_path)
    with pytest.raises(ModelLoadFailed, match=r"^ONNX Runtime cannot load model\.onnx: ") as failed:
        opened(tmp_path / "model.onnx")
    assert "\n" not in failed.value.message
    assert failed.value.action.startswith("Export the model again")


@pytest.mark.parametrize("kept", [0, 1, 50, -1])
def test_a_graph_that_was_cut_off_fails_the_load(opened, tmp_path, kept):
    adder(tmp_path, 1)
    path = tmp_path / "model.onnx"
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(ModelLoadFailed):
        opened(path)


def test_an_operator_that_nobody_knows_fails_with_its_name(graph):
    each = (TensorProto.FLOAT, ["n"])
    with pytest.raises(ModelLoadFailed, match="Levitate"):
        graph([helper.make_node("Levitate", ["x"], ["y"])], {"x": each}, {"y": each})


def test_an_output_that_is_no_tensor_fails_with_its_name(graph):
    node = helper.make_node("SequenceConstruct", ["x"], ["y"])
    sequence = helper.make_sequence_type_proto(helper.make_tensor_type_proto(1, ["n"]))
    with pytest.raises(ModelLoadFailed, match=r"'y' is a seq\(tensor\(float\)\)"):
        graph([node], {"x": (TensorProto.FLOAT, ["n"])}, {"y": sequence})


def test_an_optional_output_fails_with_its_name(graph):
    node = helper.make_node("Optional", ["x"], ["y"])
    optional = helper.make_optional_type_proto(helper.make_tensor_type_proto(1, ["n"]))
    with pytest.raises(ModelLoadFailed, match=r"'y' is a optional\(tensor\(float\)\)"):
        graph([node], {"x": (TensorProto.FLOAT, ["n"])}, {"y": optional})


@pytest.mark.parametrize("provider", ["CUDAExecutionProvider", "TensorrtExecutionProvider"])
def test_a_provider_that_is_not_here_is_refused_and_not_replaced(opened, tmp_path, provider):
    adder(tmp_path, 1)
    with pytest.raises(ProviderUnavailable, match=f"{provider} is not in this build") as refused:
        opened(tmp_path / "model.onnx", [provider, "CPUExecutionProvider"])
    assert "spec.backend.onnxRuntime.executionProviders" in refused.value.action


def test_cudas_libraries_are_loaded_before_a_session_is_opened(opened, tmp_path, monkeypatch):
    said, present = [], ["CUDAExecutionProvider", "CPUExecutionProvider"]

    def open_session(*arguments, **more):
        said.append("opened")
        raise RuntimeError("no GPU")

    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: present)
    monkeypatch.setattr(onnxruntime, "preload_dlls", lambda: said.append("loaded"))
    monkeypatch.setattr(onnxruntime, "InferenceSession", open_session)
    adder(tmp_path, 1)
    with pytest.raises(ModelLoadFailed, match="no GPU"):
        opened(tmp_path / "model.onnx", ["CUDAExecutionProvider"])
    assert said == ["loaded", "opened"]


def test_a_provider_that_fails_while_it_runs_is_not_replaced(identity):
    assert not identity()._session._enable_fallback


def test_the_cpu_may_be_asked_for_by_name(opened, tmp_path):
    adder(tmp_path, 1)
    opened(tmp_path / "model.onnx", ["CPUExecutionProvider"])


def test_session_options_reach_the_session(opened, tmp_path):
    adder(tmp_path, 1)
    backend = opened(
        tmp_path / "model.onnx",
        threads=3,
        graphOptimizationLevel="basic",
        executionMode="parallel",
        interOpNumThreads=2,
        allowSpinning=True,
        enableMemPattern=False,
        enableCpuMemArena=False,
    )
    options = backend._session.get_session_options()
    assert (options.intra_op_num_threads, options.inter_op_num_threads) == (3, 2)
    assert options.graph_optimization_level.name == "ORT_ENABLE_BASIC"
    assert options.execution_mode.name == "ORT_PARALLEL"
    assert (options.enable_mem_pattern, options.enable_cpu_mem_arena) == (False, False)
    assert options.get_session_config_entry("session.intra_op.allow_spinning") == "1"


def test_threads_do_not_spin_unless_asked_to(opened, tmp_path):
    adder(tmp_path, 1)
    options = opened(tmp_path / "model.onnx")._session.get_session_options()
    assert options.get_session_config_entry("session.intra_op.allow_spinning") == "0"


_IMPORTS = """
import os, sys
from importlib.abc import MetaPathFinder

class Watch(MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name == "onnxruntime":
            print("telemetry disabled:", os.environ.get("ORT_DISABLE_TELEMETRY"))
            print("plans of attention:", os.environ.get("ORT_ENABLE_CUDNN_FLASH_ATTENTION"))

os.environ.pop("ORT_DISABLE_TELEMETRY", None)
sys.meta_path.insert(0, Watch())
import shoal_serving.app
assert "onnxruntime" in sys.modules
"""


def test_onnx_runtimes_switches_are_thrown_before_it_is_imported():
    child = subprocess.run([sys.executable, "-c", _IMPORTS], capture_output=True, text=True)
    assert child.stdout == "telemetry disabled: 1\nplans of attention: 0\n", child.stderr
