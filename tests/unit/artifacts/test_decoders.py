"""A decoder's folder is a checkpoint, the converter's graph, or one of ONNX Runtime GenAI's."""

import json

import pytest

from shoal.errors import ModelLoadFailed, ModelUnsupported
from shoal_serving.artifacts.decoders import DecoderGraph, Lengths, find_decoder

PAST = {"past_key_names": "past_key_values.%d.key", "past_value_names": "past_key_values.%d.value"}


@pytest.fixture
def built(tmp_path):
    """A folder as the builder leaves it, with these inputs."""

    def make(*inputs, filename="decoder.onnx"):
        names = {name: name for name in inputs} | PAST
        decoder = {"filename": filename, "inputs": names, "head_size": 16}
        config = {"model": {"decoder": decoder, "type": "llama"}, "search": {}}
        (tmp_path / "genai_config.json").write_text(json.dumps(config))
        (tmp_path / "decoder.onnx").touch()
        return tmp_path

    return make


@pytest.mark.parametrize(
    ("inputs", "lengths"),
    [
        (("input_ids", "attention_mask"), Lengths.ATTENTION_MASK),
        (("input_ids", "attention_mask", "position_ids"), Lengths.ATTENTION_MASK),
        (("input_ids", "seqlens_k", "total_sequence_length"), Lengths.SEQLENS_K),
    ],
)
def test_a_builder_s_graph_says_how_it_is_driven(built, inputs, lengths):
    folder = built(*inputs)
    assert find_decoder(folder) == DecoderGraph(folder / "decoder.onnx", lengths, 16)


@pytest.mark.parametrize("inputs", [("input_ids", "block_table"), ("inputs_embeds",)])
def test_a_graph_that_is_driven_otherwise_is_refused(built, inputs):
    with pytest.raises(ModelUnsupported, match=f"has the inputs .*{inputs[-1]}"):
        find_decoder(built(*inputs))


@pytest.mark.parametrize("filename", ["../decoder.onnx", "gone.onnx", "", 5, None])
def test_a_graph_that_is_not_in_the_folder_is_named(built, filename):
    with pytest.raises(ModelLoadFailed, match="not in the folder"):
        find_decoder(built("input_ids", "attention_mask", filename=filename))


@pytest.mark.parametrize("content", [b"{", b"[]", b"{}", b'{"model": {"decoder": {}}}'])
def test_a_damaged_description_is_named(tmp_path, content):
    (tmp_path / "genai_config.json").write_bytes(content)
    with pytest.raises(ModelLoadFailed, match=r"genai_config\.json does not describe"):
        find_decoder(tmp_path)


def test_a_graph_without_a_description_is_the_converter_s(tmp_path):
    (tmp_path / "model.onnx").touch()
    assert find_decoder(tmp_path) == DecoderGraph(tmp_path / "model.onnx", Lengths.SEQLENS_K)


def test_a_checkpoint_has_no_graph(tmp_path):
    (tmp_path / "config.json").touch()
    assert find_decoder(tmp_path) is None
