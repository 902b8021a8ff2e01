"""What cannot be converted is refused: by the right class, naming what was found."""

import json

import numpy as np
import pytest

from shoal.errors import ArtifactRefused, ModelLoadFailed, ModelUnsupported

CLASSIFIER = "BertForSequenceClassification"
CLASSES = "text-classification"
QUERY = "bert.encoder.layer.1.attention.self.query.weight"


@pytest.mark.parametrize(
    ("architecture", "task", "named"),
    [
        ("LlamaForCausalLM", "tensor", "LlamaForCausalLM"),
        ("BertForTokenClassification", "tensor", "BertForTokenClassification"),
        ("Model", "tensor", "names Model;"),
        (CLASSIFIER, "question-answering", "BertForSequenceClassification.*question-answering"),
        (CLASSIFIER, "text-generation", "BertForSequenceClassification.*LlamaForCausalLM"),
        ("RobertaForQuestionAnswering", CLASSES, "RobertaForQuestionAnswering"),
        ("DistilBertModel", "text-ranking", "feature-extraction or tensor, not text-ranking"),
        ("BertForMaskedLM", "tensor", "BertForMaskedLM"),
    ],
)
def test_what_the_head_cannot_do(checkpoint, architecture, task, named):
    model = checkpoint("BertModel", architectures=[architecture])
    with pytest.raises(ModelUnsupported, match=named):
        model.convert(task)


@pytest.mark.parametrize("architectures", [None, [], "BertModel", [7]])
def test_a_checkpoint_of_no_architecture(checkpoint, architectures):
    model = checkpoint("BertModel", architectures=architectures)
    with pytest.raises(ModelUnsupported, match="no architecture"):
        model.convert("tensor")


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"position_embedding_type": "relative_key"}, "relative_key"),
        ({"is_decoder": True}, "is_decoder"),
        ({"add_cross_attention": True}, "add_cross_attention"),
        ({"pruned_heads": {"0": [1]}}, "pruned_heads"),
        ({"quantization_config": {"bits": 4}}, "quantization_config"),
        ({"hidden_act": "quick_gelu"}, "quick_gelu.*gelu, gelu_new, gelu_pytorch_tanh, relu"),
    ],
)
def test_a_variant_that_computes_something_else(checkpoint, change, named):
    with pytest.raises(ModelUnsupported, match=named):
        checkpoint(CLASSIFIER, **change).convert(CLASSES)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"hidden_size": "32"}, "hidden_size is '32'"),
        ({"hidden_size": None}, "hidden_size is missing"),
        ({"num_hidden_layers": 0}, "num_hidden_layers is 0"),
        ({"num_attention_heads": True}, "num_attention_heads is True"),
        ({"num_attention_heads": 5}, "5 attention heads"),
        ({"layer_norm_eps": float("nan")}, "layer_norm_eps is nan"),
        ({"hidden_act": ["gelu"]}, "hidden_act"),
        ({"num_hidden_layers": 10**12}, r"bert\.encoder\.layer\.3\."),
        ({"hidden_size": 64}, r"word_embeddings.weight has shape \[50, 32\]; .* \[50, 64\]"),
        ({"id2label": {"0": "A", "1": "B", "2": "C"}}, r"classifier.weight has shape \[2, 32\]"),
        ({"type_vocab_size": 3}, "token_type_embeddings"),
    ],
)
def test_a_config_that_is_not_of_these_weights(checkpoint, change, named):
    weights = checkpoint(CLASSIFIER).weights
    with pytest.raises(ModelLoadFailed, match=named):
        checkpoint(CLASSIFIER, weights=lambda _: weights, **change).convert(CLASSES)


@pytest.mark.parametrize(
    ("architecture", "task", "name"),
    [
        (CLASSIFIER, CLASSES, QUERY),
        (CLASSIFIER, CLASSES, "bert.pooler.dense.bias"),
        (CLASSIFIER, CLASSES, "bert.embeddings.word_embeddings.weight"),
        ("RobertaForSequenceClassification", CLASSES, "classifier.out_proj.weight"),
        ("DistilBertForQuestionAnswering", "question-answering", "qa_outputs.bias"),
        ("DistilBertModel", "tensor", "transformer.layer.2.ffn.lin1.weight"),
    ],
)
def test_a_missing_weight_is_named(checkpoint, architecture, task, name):
    def without(weights):
        return {key: value for key, value in weights.items() if key != name}

    with pytest.raises(ModelLoadFailed, match=f"The weight {name} .* is missing"):
        checkpoint(architecture, weights=without).convert(task)


def test_a_weight_of_another_shape_is_named(checkpoint):
    def turned(weights):
        return weights | {QUERY: np.zeros((32, 16))}

    with pytest.raises(ModelLoadFailed, match=rf"{QUERY} has shape \[32, 16\]"):
        checkpoint(CLASSIFIER, weights=turned).convert(CLASSES)


def test_quantized_weights_are_named(checkpoint):
    with pytest.raises(ModelUnsupported, match="stored as I8"):
        checkpoint(CLASSIFIER, dtype="I8").convert(CLASSES)


@pytest.mark.parametrize(
    "name",
    [
        "pytorch_model.bin",
        "pytorch_model-00001-of-00002.bin",
        "model.bin",
        "a.pt",
        "b.pth",
        "c.ckpt",
        "d.pkl",
    ],
)
def test_pickled_weights_are_refused_unopened(checkpoint, name):
    model = checkpoint(CLASSIFIER)
    (model.folder / "model.safetensors").rename(model.folder / name)
    with pytest.raises(ArtifactRefused, match=f"{name} is a pickle") as refusal:
        model.convert(CLASSES)
    assert "safe_serialization=True" in refusal.value.action


def test_a_pickle_beside_safetensors_is_left_alone(checkpoint, batch):
    model = checkpoint(CLASSIFIER)
    (model.folder / "pytorch_model.bin").write_bytes(b"no pickle at all")
    assert "logits" in model.run(CLASSES, batch(model))


def test_a_folder_without_weights_says_what_it_has(checkpoint):
    model = checkpoint(CLASSIFIER)
    (model.folder / "model.safetensors").rename(model.folder / "tf_model.h5")
    with pytest.raises(ModelUnsupported, match=r"it has config\.json, tf_model\.h5"):
        model.convert(CLASSES)


@pytest.mark.parametrize("content", [b"{", b"[]", b"\xff", b"[" * 100_000])
def test_a_config_that_is_no_json_object(checkpoint, content):
    model = checkpoint(CLASSIFIER)
    (model.folder / "config.json").write_bytes(content)
    with pytest.raises(ModelLoadFailed, match=r"config\.json"):
        model.convert(CLASSES)


def test_weights_without_a_config(checkpoint):
    model = checkpoint(CLASSIFIER)
    (model.folder / "config.json").unlink()
    with pytest.raises(ModelUnsupported, match=r"no config\.json"):
        model.convert(CLASSES)


def entry(**changes):
    return {"x": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]} | changes}


def framed(header, data=bytes(8)):
    encoded = header if isinstance(header, bytes) else json.dumps(header).encode()
    return len(encoded).to_bytes(8, "little") + encoded + data


@pytest.mark.parametrize(
    ("content", "named"),
    [
        (b"", "shorter than its own header"),
        (b"\xff" * 8, "promises a header of 18446744073709551615 bytes"),
        (framed(b"{"), "not JSON"),
        (framed(b"[]"), "not a JSON object"),
        (framed(b"[" * 100_000), "not JSON"),
        (framed({"x": 1}), "entry for x is incomplete"),
        (framed(entry(shape=3)), "entry for x is incomplete"),
        (framed(entry(data_offsets=[0])), "entry for x is incomplete"),
        (framed(entry(shape=[-2])), "no size"),
        (framed(entry(data_offsets=[-8, 0])), "no size"),
        (framed(entry(shape=[2.0])), "no size"),
        (framed(entry(shape=[3])), "does not fill its 8 bytes"),
        (framed(entry(data_offsets=[8, 0])), "does not fill"),
        (framed(entry(), data=bytes(7)), "cut short"),
        (framed(entry(shape=[2**62, 2**62])), "does not fill"),
    ],
)
def test_damaged_safetensors_are_named(checkpoint, content, named):
    model = checkpoint(CLASSIFIER)
    (model.folder / "model.safetensors").write_bytes(content)
    with pytest.raises(ModelLoadFailed, match=named):
        model.convert(CLASSES)


@pytest.mark.parametrize(
    ("index", "named"),
    [
        ({"weight_map": {"x": "model-1.safetensors"}}, "model-1.safetensors, which is not there"),
        ({"weight_map": {"x": "../model.safetensors"}}, "not a file name"),
        ({"weight_map": {"x": "/etc/passwd"}}, "not a file name"),
        ({"weight_map": {"x": ".."}}, "not there"),
        ({"weight_map": {"x": 5}}, "not a file name"),
        ({"weight_map": {"x": {}}}, "no readable weight_map"),
        ({"weight_map": []}, "no readable weight_map"),
        ([], "no readable weight_map"),
    ],
)
def test_an_index_that_leads_nowhere(checkpoint, index, named):
    model = checkpoint(CLASSIFIER)
    (model.folder / "model.safetensors").unlink()
    (model.folder / "model.safetensors.index.json").write_text(json.dumps(index))
    with pytest.raises(ModelLoadFailed, match=named):
        model.convert(CLASSES)
