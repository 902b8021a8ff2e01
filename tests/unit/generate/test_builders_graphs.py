"""Graphs of ONNX Runtime GenAI's builder, as they are, beside our own of the same checkpoint."""

import shutil
from pathlib import Path

import pytest
from chat_models import TINY_CHAT, answer, answers, greedy, references
from decoders import decoder, random_weights, write_checkpoint

from shoal.errors import LoadError

BUILT = Path(__file__).parent / "builder"
CONFIG = decoder(
    vocab_size=2048,
    hidden_size=32,
    num_hidden_layers=2,
    num_attention_heads=2,
    num_key_value_heads=1,
    intermediate_size=48,
    max_position_embeddings=256,
    tie_word_embeddings=True,
    head_dim=16,
)


@pytest.fixture
def built(tmp_path):
    folder = tmp_path / "built"
    shutil.copytree(BUILT, folder)
    return with_tokenizer(folder)


@pytest.fixture
def checkpoint(tmp_path):
    folder = tmp_path / "checkpoint"
    write_checkpoint(folder, CONFIG, random_weights(CONFIG))
    return with_tokenizer(folder)


def with_tokenizer(folder):
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copy(TINY_CHAT / name, folder)
    return folder


async def test_they_generate_what_our_own_graphs_generate(load, built, checkpoint):
    theirs, ours = load(folder=built), load(folder=checkpoint)
    asked = [greedy(prompt, 20, ignore_eos=True) for prompt, _ in references()]
    expected = await answers(ours, asked)
    assert await answers(theirs, asked) == expected
    assert [await answer(theirs, one) for one in asked] == expected
    assert len({tuple(tokens) for tokens in expected}) > 1


def test_their_files_say_how_long_a_text_may_be_and_what_ends_it(load, built):
    model = load(folder=built)
    assert (model.context, model.vocabulary.end_tokens) == (256, {2})


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"precision": "int4"}, "the graph model.onnx, whose precision is what it is; int4"),
        ({"adapters": ("terse",)}, "the graph lets adapters change: none"),
    ],
)
def test_what_a_graph_cannot_be_made_to_do_is_refused(load, built, fields, words):
    with pytest.raises(LoadError, match=words):
        load(folder=built, **fields)
