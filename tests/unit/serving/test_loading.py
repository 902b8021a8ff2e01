"""From a source to a model that answers, and every way in which that ends otherwise."""

import asyncio
import os
import shutil
from pathlib import Path

import numpy as np
import onnx
import pytest
from graphs import adder, broken, save
from onnx import TensorProto, helper, numpy_helper

from shoal.api.model import Backend, Batching, OnnxRuntime, Source, Task
from shoal.api.runtime import ModelRevision, revision_name
from shoal.errors import (
    ArtifactNotFound,
    ArtifactRefused,
    DigestMismatch,
    MemoryExceeded,
    ModelLoadFailed,
    ModelUnsupported,
    ProofFailed,
    ProviderUnavailable,
)
from shoal_serving.artifacts import Cache
from shoal_serving.loading import Place, load_model

SAMPLES = Path(__file__).parents[3] / "manifests" / "samples" / "models"
CHECKPOINT = f"file://{SAMPLES / 'alarm-triage'}"


@pytest.fixture
def cache(tmp_path):
    return Cache(tmp_path / "cache", sleep=lambda seconds: None)


@pytest.fixture
def load(cache):
    """Loads what is at a URI, until the test ends: `load(uri, task=..., memory=..., steps=[])`."""
    models = []

    def load(uri, memory=None, steps=None, **fields):
        wanted = revision(uri, **fields)
        steps = [] if steps is None else steps
        place = Place(cache, threads=1, memory=memory)
        models.append(load_model("m", wanted, place, lambda *step: steps.append(step)))
        return models[-1]

    yield load
    for model in models:
        model.close()


def revision(uri, task="tensor", digest=None, providers=()):
    return ModelRevision(
        generation=4,
        task=Task(task),
        source=Source(uri=uri, digest=digest),
        backend=Backend(onnx_runtime=OnnxRuntime(execution_providers=providers)),
        batching=Batching(max_batch_size=4),
    )


async def test_a_folder_with_a_graph_becomes_a_model_that_answers(load, tmp_path):
    model = load(adder(tmp_path / "adder", 3))
    answer = await model.answer({"x": np.ones((1, 4), np.float32)})
    assert answer["y"].tolist() == [[4, 4, 4, 4]]


def test_a_model_says_what_it_is(load, tmp_path):
    uri = adder(tmp_path / "adder", 3)
    model = load(uri)
    assert model.digest.startswith("sha256:")
    assert model.revision == revision_name(model.digest, revision(uri))
    assert model.config.generation == 4
    assert [spec.name for spec in (*model.inputs, *model.outputs)] == ["x", "y"]
    assert model.bytes.file == (tmp_path / "adder" / "model.onnx").stat().st_size


def test_loading_says_how_far_it_is(load, tmp_path):
    steps = []
    load(adder(tmp_path / "adder", 3), steps=steps)
    assert [name for name, _, _ in steps if name != "copy"] == ["load", *["warm"] * 4]
    assert steps[-1] == ("warm", 3, 3)


@pytest.mark.parametrize("place", ["model.onnx", "onnx/model.onnx", "mine.onnx"])
def test_the_graph_is_found_where_exporters_put_it(load, tmp_path, place):
    adder(tmp_path / "made", 3)
    path = tmp_path / "model" / place
    path.parent.mkdir(parents=True)
    shutil.copy(tmp_path / "made" / "model.onnx", path)
    load(f"file://{tmp_path / 'model'}")


def test_a_single_file_is_a_model(load, tmp_path):
    adder(tmp_path / "made", 3)
    load(f"file://{tmp_path}/made/model.onnx")


def test_weights_beside_the_graph_are_found(load, tmp_path):
    adder(tmp_path, 3)
    whole = onnx.load(tmp_path / "model.onnx")
    folder = tmp_path / "apart"
    folder.mkdir()
    whole.graph.initializer[0].CopyFrom(numpy_helper.from_array(np.full(4, 3.0, "f"), "amount"))
    options = {"save_as_external_data": True, "location": "weights.bin", "size_threshold": 0}
    onnx.save(whole, folder / "model.onnx", **options)
    model = load(f"file://{folder}")
    answer = asyncio.run(model.answer({"x": np.ones((1, 4), np.float32)}))
    assert answer["y"].tolist() == [[4, 4, 4, 4]]


async def test_a_checkpoint_is_converted_once_and_answers(load):
    steps = []
    model = load(CHECKPOINT, task="text-classification", steps=steps)
    query = model.task.from_json({"inputs": "disk full on node-7"})
    answer = model.task.to_json(await model.answer(query))
    assert {"label", "score"} == answer[0][0].keys()
    assert "convert" in {name for name, _, _ in steps}


def failure(load, expected, *args, **kwargs):
    with pytest.raises(expected) as failed:
        load(*args, **kwargs)
    assert type(failed.value) is expected
    assert failed.value.action
    return failed.value


def test_several_graphs_are_refused(load, tmp_path):
    folder = tmp_path / "two"
    uri = adder(folder, 3)
    shutil.copy(folder / "model.onnx", folder / "a.onnx")
    (folder / "model.onnx").rename(folder / "b.onnx")
    error = failure(load, ModelUnsupported, uri)
    assert "a.onnx, b.onnx" in error.message
    assert error.action == "Name the one to serve model.onnx."


def test_nothing_there_is_an_artifact_not_found(load, tmp_path):
    failure(load, ArtifactNotFound, f"file://{tmp_path}/nothing")


def test_other_bytes_than_the_pinned_ones_are_refused(load, tmp_path):
    uri = adder(tmp_path / "adder", 3)
    failure(load, DigestMismatch, uri, digest="sha256:" + "0" * 64)


def test_a_file_that_is_no_graph_fails_with_a_sentence(load, tmp_path):
    error = failure(load, ModelLoadFailed, broken(tmp_path / "broken"))
    assert error.message.startswith("ONNX Runtime cannot load model.onnx: ")


def test_a_provider_that_is_not_here_is_refused(load, tmp_path):
    uri = adder(tmp_path / "adder", 3)
    error = failure(load, ProviderUnavailable, uri, providers=("CUDAExecutionProvider",))
    assert "CUDAExecutionProvider is not in this build" in error.message


def test_a_wrong_sample_fails_the_proof(load, tmp_path):
    uri = adder(tmp_path / "adder", 3)
    (tmp_path / "adder" / "sample.json").write_text("{}")
    failure(load, ProofFailed, uri)


def test_a_task_that_the_files_cannot_do_is_unsupported(load, tmp_path):
    failure(load, ModelUnsupported, adder(tmp_path / "a", 3), task="text-classification")


def test_a_folder_without_graph_or_checkpoint_is_unsupported(load, tmp_path):
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "README.md").write_text("nothing")
    failure(load, ModelUnsupported, f"file://{tmp_path}/model")


def test_pickled_weights_are_refused_by_the_converter(load, tmp_path):
    folder = tmp_path / "pickled"
    shutil.copytree(SAMPLES / "alarm-triage", folder)
    (folder / "model.safetensors").unlink()
    (folder / "pytorch_model.bin").write_bytes(b"cos\nsystem\n(S'true'\ntR.")
    error = failure(load, ArtifactRefused, f"file://{folder}", task="text-classification")
    assert "pickle" in error.message


def test_a_converter_that_dies_is_a_failed_load(load, tmp_path, monkeypatch):
    (tmp_path / "sitecustomize.py").write_text("import os; os.kill(os.getpid(), 9)")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=os.pathsep)
    error = failure(load, ModelLoadFailed, CHECKPOINT, task="text-classification")
    assert error.message == "The converter died with status -9: it said nothing."


def test_a_converters_traceback_is_not_told(load, tmp_path, monkeypatch):
    (tmp_path / "onnx.py").write_text("raise RuntimeError('no onnx here')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=os.pathsep)
    error = failure(load, ModelLoadFailed, CHECKPOINT, task="text-classification")
    assert error.message == "The converter died with status 1: RuntimeError: no onnx here."


def test_a_module_in_the_folder_we_run_in_is_not_the_converters(load, tmp_path, monkeypatch):
    (tmp_path / "onnx.py").write_text("raise RuntimeError('not mine')")
    monkeypatch.chdir(tmp_path)
    load(CHECKPOINT, task="text-classification")


def test_a_model_over_its_memory_is_refused_with_the_numbers(load, tmp_path):
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 2**20])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 2**20])
    weights = numpy_helper.from_array(np.random.default_rng(0).random((8, 2**20), "f"), "weights")
    first = numpy_helper.from_array(np.zeros(1, np.int64), "first")
    nodes = [
        helper.make_node("Gather", ["weights", "first"], ["row"]),
        helper.make_node("Add", ["x", "row"], ["y"]),
    ]
    uri = save(tmp_path / "big", helper.make_graph(nodes, "big", [x], [y], [weights, first]))
    error = failure(load, MemoryExceeded, uri, memory=2**20)
    assert "spec.resources.memory allows 1 MiB" in error.message


def test_a_model_within_its_memory_is_served(load, tmp_path):
    assert load(adder(tmp_path / "adder", 3), memory=2**33).bytes.peak < 2**33
