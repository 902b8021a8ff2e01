"""The ways in which a checkpoint may be stored, and the file that is written of it."""

import json
import subprocess
import sys

import numpy as np
import onnx
import pytest

from shoal.errors import ModelUnsupported
from shoal_serving.artifacts.convert.file import write
from shoal_serving.artifacts.convert.graph import FLOAT32
from shoal_serving.artifacts.convert.initializer import stored as as_stored
from shoal_serving.artifacts.convert.weights import open_weights
from shoal_serving.artifacts.safetensors import StoredTensor

TASK = "feature-extraction"


def old_names(weights):
    old = {"LayerNorm.weight": "LayerNorm.gamma", "LayerNorm.bias": "LayerNorm.beta"}
    for name, older in old.items():
        weights = {key.replace(name, older): values for key, values in weights.items()}
    return weights


@pytest.mark.parametrize(
    "spelling",
    [
        pytest.param(old_names, id="with old names"),
        pytest.param(lambda w: {f"bert.{name}": w[name] for name in w}, id="with a prefix"),
        pytest.param(lambda w: w | {"more": np.zeros(3)}, id="with more than it needs"),
    ],
)
def test_other_spellings_are_the_same_model(checkpoint, batch, spelling):
    plain = checkpoint("BertModel")
    expected = plain.run(TASK, batch(plain))["last_hidden_state"]
    other = checkpoint("BertModel", weights=spelling)
    np.testing.assert_array_equal(other.run(TASK, batch(other))["last_hidden_state"], expected)


def test_shards_are_read_as_one(checkpoint, batch, store):
    model = checkpoint("RobertaForQuestionAnswering")
    expected = model.run("question-answering", batch(model))["end_logits"]
    shards = {name: f"model-{len(name) % 3}.safetensors" for name in model.weights}
    for shard in set(shards.values()):
        part = {name: model.weights[name] for name in shards if shards[name] == shard}
        store(model.folder / shard, part)
    index = model.folder / "model.safetensors.index.json"
    index.write_text(json.dumps({"metadata": {}, "weight_map": shards}))
    (model.folder / "model.safetensors").unlink()
    outputs = model.run("question-answering", batch(model))
    np.testing.assert_array_equal(outputs["end_logits"], expected)


@pytest.mark.parametrize(
    ("architecture", "types", "inputs"),
    [
        ("BertModel", 2, ["input_ids", "attention_mask", "token_type_ids"]),
        ("BertModel", 1, ["input_ids", "attention_mask"]),
        ("RobertaModel", 1, ["input_ids", "attention_mask"]),
        ("DistilBertModel", None, ["input_ids", "attention_mask"]),
    ],
)
def test_token_types_are_asked_for_where_they_matter(checkpoint, architecture, types, inputs):
    changes = {} if types is None else {"type_vocab_size": types}
    graph = onnx.load(checkpoint(architecture, **changes).convert("tensor")).graph
    assert [value.name for value in graph.input] == inputs


@pytest.mark.parametrize(
    ("architecture", "task", "outputs"),
    [
        ("BertModel", "tensor", {"last_hidden_state": ["batch", "sequence", 32]}),
        ("BertForSequenceClassification", "tensor", {"logits": ["batch", 2]}),
        (
            "DistilBertForQuestionAnswering",
            "tensor",
            {"start_logits": ["batch", "sequence"], "end_logits": ["batch", "sequence"]},
        ),
    ],
)
def test_the_graph_is_sound_and_says_its_shapes(checkpoint, architecture, task, outputs):
    model = onnx.load(checkpoint(architecture).convert(task))
    onnx.checker.check_model(model, full_check=True)
    shapes = {
        value.name: [dim.dim_param or dim.dim_value for dim in value.type.tensor_type.shape.dim]
        for value in model.graph.output
    }
    assert shapes == outputs


def test_a_weight_is_stored_once_and_an_unused_one_never(checkpoint):
    model = checkpoint("BertForMaskedLM", weights=lambda w: w | {"cls.decoder": np.ones((50, 32))})
    names = [tensor.name for tensor in onnx.load(model.convert(TASK)).graph.initializer]
    assert len(names) == len(set(names))
    assert set(model.weights) - set(names) == {"cls.decoder"}


def test_the_same_checkpoint_gives_the_same_bytes(checkpoint):
    model = checkpoint("BertModel")
    assert model.convert(TASK).read_bytes() == model.convert(TASK, "again.onnx").read_bytes()


def test_large_weights_lie_beside_the_graph(checkpoint, batch, open_graph):
    model = checkpoint("BertModel")
    inside, beside = model.convert(TASK), model.folder / "large.onnx"
    graph, weights = onnx.load(inside), open_weights(model.folder)
    stored = [tensor for tensor in graph.graph.initializer if weights.find(tensor.name)]
    for tensor in stored:
        graph.graph.initializer.remove(tensor)
    tensors = [
        as_stored(weights.get(tensor.name, tuple(tensor.dims)), FLOAT32) for tensor in stored
    ]
    write(graph, tensors, beside, inline_limit=0)
    assert beside.stat().st_size < 20_000
    feeds = batch(model)
    expected = open_graph(inside).run(feeds)["last_hidden_state"]
    np.testing.assert_array_equal(open_graph(beside).run(feeds)["last_hidden_state"], expected)


def test_a_conversion_that_fails_leaves_nothing(checkpoint, tmp_path):
    model = checkpoint("BertModel", dtype="I8")
    before = sorted(tmp_path.iterdir())
    with pytest.raises(ModelUnsupported):
        model.convert(TASK)
    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.parametrize("inline_limit", [0, 2**20])
def test_a_write_that_fails_leaves_what_was_there(tmp_path, inline_limit):
    out = tmp_path / "model.onnx"
    out.write_bytes(b"the last one")
    short = as_stored(StoredTensor("x", "F32", (4,), np.zeros(8, np.uint8)), FLOAT32)
    with pytest.raises(ValueError, match="reshape"):
        write(onnx.ModelProto(), [short], out, inline_limit)
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [b"the last one"]


def test_the_command_converts(checkpoint):
    folder = checkpoint("BertModel").folder
    done = command(str(folder), TASK, str(folder / "model.onnx"))
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert (folder / "model.onnx").is_file()


def test_the_command_says_in_json_why_it_does_not(checkpoint):
    folder = checkpoint("BertModel", architectures=["GPT2LMHeadModel"]).folder
    done = command(str(folder), TASK, str(folder / "model.onnx"))
    failure = json.loads(done.stdout)
    assert (done.returncode, failure["reason"]) == (1, "ModelUnsupported")
    assert "GPT2LMHeadModel" in failure["message"]
    assert "ONNX" in failure["action"]


def test_the_command_explains_itself():
    done = command("folder")
    assert done.returncode == 2
    assert "FOLDER TASK OUT" in done.stderr


def command(*arguments):
    program = [sys.executable, "-m", "shoal_serving.artifacts.convert", *arguments]
    return subprocess.run(program, capture_output=True, text=True, check=False)
