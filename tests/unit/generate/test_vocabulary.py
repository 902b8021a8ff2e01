import random
from pathlib import Path

import llguidance
import pytest
import tokenizer_families
from tokenizer_families import TEXTS
from tokenizers import Tokenizer, decoders

from shoal.errors import InvalidRequest, ModelLoadFailed, ModelUnsupported
from shoal_serving.generate.vocabulary import open_vocabulary
from shoal_serving.tasks.folder import ModelFolder

TINY_CHAT = Path(__file__).parents[3] / "manifests" / "samples" / "models" / "tiny-chat"


@pytest.fixture
def vocabulary(tmp_path):
    """Opens a tokenizer as that of a model with `size` logits."""

    def build(tokenizer, size=1000, files=None):
        tokenizer_families.save(tokenizer, tmp_path, files)
        return open_vocabulary(ModelFolder(tmp_path), size)

    return build


def ids(tokenizer, *tokens):
    return [tokenizer.token_to_id(token) for token in tokens]


def pushed(vocabulary, tokens, **options):
    """What each token gave, and at last what was left."""
    detokenizer = vocabulary.detokenizer(**options)
    return [*map(detokenizer.push, tokens), detokenizer.flush()]


FAMILIES = {
    "byte_level": tokenizer_families.byte_level,
    "sentence_piece": tokenizer_families.sentence_piece,
    "tiny_chat": lambda: Tokenizer.from_file(str(TINY_CHAT / "tokenizer.json")),
}


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("text", TEXTS)
def test_texts_come_back_whole_and_never_in_broken_characters(vocabulary, family, text):
    opened = vocabulary(FAMILIES[family](), 3000)
    tokens = opened.encode(text)
    pieces = pushed(opened, tokens)
    assert "".join(pieces) == opened.decode(tokens) == text
    assert "\ufffd" not in "".join(pieces)


@pytest.mark.parametrize("family", ["sentence_piece", "metaspace", "words"])
def test_decoding_is_that_of_the_tokenizers_library(vocabulary, family):
    tokenizer = getattr(tokenizer_families, family)()
    opened = vocabulary(tokenizer)
    chance = random.Random(5)
    whole = [i for i in range(tokenizer.get_vocab_size()) if i < 3 or i > 258]
    for _ in range(300):
        tokens = chance.choices(whole, k=chance.randint(0, 6))
        for skip in (True, False):
            expected = tokenizer.decode(tokens, skip_special_tokens=skip)
            assert opened.decode(tokens, skip) == expected
            assert "".join(pushed(opened, tokens, skip_special_tokens=skip)) == expected


@pytest.mark.parametrize("family", FAMILIES)
def test_any_tokens_at_all_give_the_same_text_in_pieces_and_at_once(vocabulary, family):
    tokenizer = FAMILIES[family]()
    opened = vocabulary(tokenizer, 3000)
    chance = random.Random(6)
    for _ in range(200):
        tokens = chance.choices(range(tokenizer.get_vocab_size()), k=20)
        text = opened.decode(tokens)
        assert "".join(pushed(opened, tokens)) == text
        known = tokenizer.decode(tokens)
        if "\ufffd" not in known:
            assert text == known


def test_a_character_comes_with_the_last_of_its_bytes(vocabulary):
    tokenizer = tokenizer_families.byte_level()
    opened = vocabulary(tokenizer)
    tokens = opened.encode("é满😀")
    assert len(tokens) == 2 + 3 + 4
    assert pushed(opened, tokens) == ["", "é", "", "", "满", "", "", "", "😀", ""]


def test_broken_bytes_are_dropped_and_hold_nothing_back(vocabulary):
    tokenizer = tokenizer_families.sentence_piece()
    opened = vocabulary(tokenizer)
    tokens = ids(tokenizer, "a", "<0xE6>", "<0xBB>", "b", "<0xFF>", "<0x80>", "磁", "<0xF0>")
    assert pushed(opened, tokens) == ["a", "", "", "b", "", "", "磁", "", ""]


def test_a_whole_character_before_broken_bytes_stays(vocabulary):
    tokenizer = tokenizer_families.sentence_piece()
    opened = vocabulary(tokenizer)
    tokens = ids(tokenizer, "<0xC3>", "<0xA9>", "<0xC3>", "b")
    assert pushed(opened, tokens) == ["", "é", "", "b", ""]


def test_a_model_may_write_the_replacement_character(vocabulary):
    tokenizer = tokenizer_families.sentence_piece()
    opened = vocabulary(tokenizer)
    assert opened.decode(ids(tokenizer, "a", "\ufffd", "b")) == "a\ufffdb"
    assert opened.decode(ids(tokenizer, "<0xEF>", "<0xBF>", "<0xBD>")) == "\ufffd"
    byte_level = vocabulary(tokenizer_families.byte_level())
    assert byte_level.decode(byte_level.encode("a\ufffdb")) == "a\ufffdb"


def test_a_special_token_between_the_bytes_of_a_character_is_as_if_absent(vocabulary):
    tokenizer = tokenizer_families.sentence_piece()
    opened = vocabulary(tokenizer)
    tokens = ids(tokenizer, "<0xC3>", "</s>", "<0xA9>")
    assert pushed(opened, tokens) == ["", "", "é", ""]
    assert pushed(opened, tokens, skip_special_tokens=False) == ["", "</s>", "", ""]


def test_the_space_that_a_tokenizer_puts_first_is_left_out(vocabulary):
    tokenizer = tokenizer_families.sentence_piece()
    opened = vocabulary(tokenizer)
    tokens = ids(tokenizer, "<s>", "▁The", "▁quick")
    assert pushed(opened, tokens) == ["", "The", " quick", ""]


def test_behind_a_prompt_with_text_the_space_stays(vocabulary):
    tokenizer = tokenizer_families.sentence_piece()
    opened = vocabulary(tokenizer)
    prompt, tokens = opened.encode("The"), ids(tokenizer, "▁quick")
    assert pushed(opened, tokens, prompt=prompt) == [" quick", ""]
    assert pushed(opened, tokens, prompt=prompt[:1]) == ["quick", ""]


def test_tokens_that_only_the_logits_have_are_no_text(vocabulary):
    tokenizer = tokenizer_families.byte_level()
    opened = vocabulary(tokenizer, 4096)
    beyond = [tokenizer.get_vocab_size(), 4095]
    assert pushed(opened, beyond) == ["", "", ""]
    assert (opened.token_text(4095), opened.token_bytes(4095)) == ("", b"")


def test_tokens_that_the_model_does_not_have_are_refused(vocabulary):
    tokenizer = tokenizer_families.byte_level()
    opened = vocabulary(tokenizer, tokenizer.get_vocab_size() - 1)
    assert opened.encode("The")
    with pytest.raises(InvalidRequest, match="the token '<tool 工具>', which the tokenizer knows"):
        opened.encode("The <tool 工具>")


def test_special_tokens_are_added_to_plain_text_and_not_to_a_rendered_template(vocabulary):
    tokenizer = tokenizer_families.sentence_piece()
    opened = vocabulary(tokenizer)
    start = tokenizer.token_to_id("<s>")
    assert opened.encode("a")[0] == start
    assert opened.encode("<s>a", special=False).count(start) == 1


def test_padding_and_truncation_of_tokenizer_json_are_not_used(vocabulary):
    tokenizer = tokenizer_families.byte_level()
    tokenizer.enable_truncation(4)
    tokenizer.enable_padding(length=16)
    opened = vocabulary(tokenizer)
    assert opened.decode(opened.encode(TEXTS[0])) == TEXTS[0]
    assert len(opened.encode("a")) == 1


def test_a_token_is_text_and_exact_bytes(vocabulary):
    tokenizer = tokenizer_families.byte_level()
    opened = vocabulary(tokenizer)
    tokens = opened.encode("满 The<tool 工具><|end|>")
    assert b"".join(map(opened.token_bytes, tokens)) == "满 The<tool 工具><|end|>".encode()
    assert opened.token_text(tokens[0]) == r"bytes:\xe6"
    assert [opened.token_text(token) for token in tokens[-2:]] == ["<tool 工具>", "<|end|>"]
    assert opened.special_tokens == {tokens[-1]}


def test_bytes_of_byte_fallback_are_exact_too(vocabulary):
    tokenizer = tokenizer_families.sentence_piece()
    opened = vocabulary(tokenizer)
    tokens = ids(tokenizer, "▁The", "<0x41>", "<0xE6>")
    assert [opened.token_bytes(token) for token in tokens] == [b" The", b"A", b"\xe6"]
    assert [opened.token_text(token) for token in tokens] == [" The", "A", r"bytes:\xe6"]


@pytest.mark.parametrize(
    ("files", "tokens"),
    [
        ({}, set()),
        ({"config.json": {"eos_token_id": 7}}, {7}),
        ({"generation_config.json": {"eos_token_id": [8, 9]}}, {8, 9}),
        ({"tokenizer_config.json": {"eos_token": "<|end|>"}}, {0}),
        ({"tokenizer_config.json": {"eos_token": {"content": "<|end|>"}}}, {0}),
        ({"special_tokens_map.json": {"eos_token": "<|end|>"}}, {0}),
        ({"tokenizer_config.json": {"eos_token": "<nowhere>"}}, set()),
        (
            {
                "config.json": {"eos_token_id": 7},
                "generation_config.json": {"eos_token_id": [8, 7]},
                "tokenizer_config.json": {"eos_token": "<|end|>"},
            },
            {0, 7, 8},
        ),
    ],
)
def test_whatever_a_file_calls_an_end_ends_a_text(vocabulary, files, tokens):
    assert vocabulary(tokenizer_families.byte_level(), files=files).end_tokens == tokens


@pytest.mark.parametrize("value", ["</s>", [1, "2"], -1, True, 1.5])
def test_an_end_that_is_no_token_id_is_named(vocabulary, value):
    with pytest.raises(ModelLoadFailed, match=r"config\.json has the eos_token_id"):
        vocabulary(tokenizer_families.byte_level(), files={"config.json": {"eos_token_id": value}})


def test_a_decoder_of_another_family_is_refused_by_name(vocabulary):
    tokenizer = tokenizer_families.words()
    tokenizer.decoder = decoders.WordPiece()
    with pytest.raises(ModelUnsupported, match=r'decoder that is not known here: \{"type": "Word'):
        vocabulary(tokenizer)


def test_a_folder_without_a_tokenizer_is_refused(tmp_path):
    with pytest.raises(ModelUnsupported, match=r"no tokenizer\.json"):
        open_vocabulary(ModelFolder(tmp_path), 10)


def test_llguidance_reads_the_tokenizer_as_it_is_handed_on(vocabulary):
    opened = vocabulary(tokenizer_families.byte_level(), 400)
    grammars = llguidance.LLTokenizer(opened.tokenizer_json, eos_token=0, n_vocab=opened.size)
    assert grammars.tokenize_str("The 满") == opened.encode("The 满")
