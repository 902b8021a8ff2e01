from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from tokenizers import processors

from shoal.api.tensors import Datatype
from shoal.errors import InvalidRequest, ModelLoadFailed, ModelUnsupported
from shoal_serving.tasks.folder import ModelFolder
from shoal_serving.tasks.text import TextEncoder


@pytest.fixture
def encoder(folder, graph):
    """Builds a text encoder: `encoder(files, tokenizer=..., inputs=..., batches=...)`."""

    def build(files=None, tokenizer=None, **graph_options):
        path = folder(files, tokenizer) if tokenizer is not None else folder(files)
        return TextEncoder(ModelFolder(path), graph((), **graph_options))

    return build


def limits(model_max_length=None, max_seq_length=None, **config):
    return {
        "tokenizer_config.json": {"model_max_length": model_max_length},
        "sentence_bert_config.json": {"max_seq_length": max_seq_length},
        "config.json": config,
    }


@pytest.mark.parametrize(
    ("files", "length"),
    [
        (limits(model_max_length=100), 100),
        (limits(model_max_length=100, max_position_embeddings=64), 64),
        (limits(model_max_length=100, max_seq_length=50, max_position_embeddings=64), 50),
        (limits(model_max_length=1000000000000000019884624838656, max_seq_length=50), 50),
        (limits(max_position_embeddings=514, model_type="roberta", pad_token_id=1), 512),
        (limits(max_position_embeddings=514, model_type="xlm-roberta"), 512),
        (limits(max_position_embeddings=514, model_type="bert", pad_token_id=1), 514),
        (limits(n_positions=256), 256),
    ],
)
def test_the_smallest_limit_of_the_models_files_decides(encoder, files, length):
    assert encoder(files).max_length == length


def test_the_graphs_own_length_is_a_limit(encoder, taking):
    inputs = taking("input_ids", "attention_mask", shape=(-1, 8))
    assert encoder(limits(model_max_length=100), inputs=inputs).max_length == 8


def test_the_tokenizers_stored_truncation_counts_where_nothing_else_says(encoder, tokenizer):
    tokenizer.enable_truncation(24)
    assert encoder(limits(), tokenizer).max_length == 24
    assert encoder(limits(model_max_length=100), tokenizer).max_length == 100


def test_a_model_that_says_nothing_of_length_is_refused(encoder):
    with pytest.raises(ModelUnsupported, match="model_max_length"):
        encoder(limits())


def test_a_model_without_a_tokenizer_is_refused(folder, graph):
    with pytest.raises(ModelUnsupported, match=r"no tokenizer\.json"):
        TextEncoder(ModelFolder(folder(tokenizer=None)), graph(()))


def test_a_damaged_tokenizer_is_refused(folder, graph):
    path = folder()
    (path / "tokenizer.json").write_text("{}")
    with pytest.raises(ModelLoadFailed, match=r"tokenizer\.json"):
        TextEncoder(ModelFolder(path), graph(()))


@pytest.mark.parametrize("content", ["{", "[]"])
def test_a_damaged_configuration_is_refused_by_name(folder, graph, content):
    path = folder()
    (path / "config.json").write_text(content)
    with pytest.raises(ModelLoadFailed, match=r"config\.json"):
        TextEncoder(ModelFolder(path), graph(()))


@pytest.mark.parametrize(
    "options",
    [
        {"names": ["input_ids", "position_ids"]},
        {"names": ["attention_mask"]},
        {"names": ["input_ids"], "datatype": Datatype.FP32},
        {"names": ["input_ids"], "shape": (-1,)},
        {"names": ["input_ids"], "shape": (4, -1)},
    ],
)
def test_a_graph_that_text_cannot_feed_is_refused(encoder, taking, options):
    names = options.pop("names")
    with pytest.raises(ModelUnsupported):
        encoder(inputs=taking(*names, **options))


def test_a_row_is_what_the_tokenizer_makes(encoder, tokenizer):
    wanted = tokenizer.encode("disk is full")
    row = encoder().one("disk is full")
    assert row.ids.tolist() == wanted.ids
    assert row.types.tolist() == wanted.type_ids
    assert not row.truncated


@pytest.mark.parametrize(
    "processor",
    [
        None,
        processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2)),
        processors.RobertaProcessing(("[SEP]", 3), ("[CLS]", 2)),
        processors.TemplateProcessing(
            single="$A [SEP]:0 [CLS]:2",
            pair="$A [SEP]:0 $B:1 [SEP]:1 [CLS]:2",
            special_tokens=[("[CLS]", 2), ("[SEP]", 3)],
        ),
    ],
    ids=["template", "bert", "roberta", "xlnet"],
)
def test_pairs_are_framed_as_every_kind_of_tokenizer_does(encoder, tokenizer, processor):
    if processor is not None:
        tokenizer.post_processor = processor
    wanted = tokenizer.encode("disk is full", "yes")
    row = encoder(tokenizer=tokenizer).two("disk is full", "yes")
    assert row.ids.tolist() == wanted.ids
    assert row.types.tolist() == wanted.type_ids


@pytest.mark.parametrize("side", ["right", "left"])
@pytest.mark.parametrize("length", range(7, 40, 3))
def test_texts_are_cut_as_the_tokenizer_would(encoder, tokenizer, side, length):
    files = {"tokenizer_config.json": {"model_max_length": length, "truncation_side": side}}
    pair = "disk is full yes no . 磁 盘 满 the query", "a b c d e f g h i j k l m n o p q r s t"
    ours = encoder(files)
    tokenizer.enable_truncation(length, direction=side)
    assert ours.one(pair[1]).ids.tolist() == tokenizer.encode(pair[1]).ids
    assert ours.two(*pair).ids.tolist() == tokenizer.encode(*pair).ids
    assert ours.two(*reversed(pair)).ids.tolist() == tokenizer.encode(*reversed(pair)).ids
    assert ours.one(pair[1]).truncated is (length < 22)
    assert ours.two(*pair).truncated is (length < 34)


@pytest.mark.parametrize("side", ["right", "left"])
def test_a_huge_text_keeps_the_tokens_that_the_whole_has(encoder, tokenizer, side):
    text = "".join("磁盘满 disk7 is\tfull " + " " * (i % 97) for i in range(2000))
    every = tokenizer.encode(text, add_special_tokens=False).ids
    kept, truncated = encoder().tokens(text, 30, side)
    assert kept.tolist() == (every[-30:] if side == "left" else every[:30])
    assert truncated


def test_a_huge_text_of_few_tokens_is_read_whole(encoder, vocabulary):
    kept, truncated = encoder().tokens(" " * 100_000 + "disk", 30)
    assert kept.tolist() == [vocabulary["disk"]]
    assert not truncated


def test_batches_are_padded_on_the_right_and_masked(encoder):
    text = encoder()
    feeds = [text.feed(text.one("disk full")), text.feed(text.one("disk"))]
    batch = text.collate(feeds)
    assert batch["input_ids"].tolist() == [[2, 4, 5, 3], [2, 4, 3, 0]]
    assert batch["attention_mask"].tolist() == [[1, 1, 1, 1], [1, 1, 1, 0]]
    assert batch["token_type_ids"].tolist() == [[0] * 4, [0] * 4]


def test_a_batch_of_one_is_its_feed(encoder):
    text = encoder()
    feed = text.feed(text.one("disk full"))
    assert text.collate([feed]) is feed.tensors
    assert feed.tensors["attention_mask"].tolist() == [[1, 1, 1, 1]]


@pytest.mark.parametrize(
    ("files", "pad"),
    [
        ({"tokenizer_config.json": {"model_max_length": 8, "pad_token": "?"}}, "?"),
        ({"tokenizer_config.json": {"model_max_length": 8, "pad_token": {"content": "?"}}}, "?"),
        (limits(8) | {"special_tokens_map.json": {"pad_token": "?"}}, "?"),
        (limits(8, pad_token_id=13), "?"),
        (limits(8), "[PAD]"),
    ],
)
def test_the_models_files_say_what_pads(encoder, vocabulary, files, pad):
    text = encoder(files)
    batch = text.collate([text.feed(text.one("disk full")), text.feed(text.one("disk"))])
    assert batch["input_ids"][1, -1] == vocabulary[pad]


def test_a_graph_gets_only_the_inputs_it_has_in_its_datatype(encoder, taking):
    inputs = taking("input_ids", "attention_mask", datatype=Datatype.INT32)
    text = encoder(inputs=inputs)
    feeds = [text.feed(text.one("disk full")), text.feed(text.one("disk"))]
    for tensors in (feeds[0].tensors, text.collate(feeds)):
        assert {name: array.dtype for name, array in tensors.items()} == {
            "input_ids": np.dtype(np.int32),
            "attention_mask": np.dtype(np.int32),
        }


def test_a_graph_of_fixed_length_is_always_filled(encoder, taking):
    text = encoder(inputs=taking("input_ids", "attention_mask", shape=(-1, 6)))
    feeds = [text.feed(text.one("disk full")), text.feed(text.one("disk"))]
    assert feeds[1].tensors["attention_mask"].tolist() == [[1, 1, 1, 0, 0, 0]]
    assert text.collate(feeds)["input_ids"].tolist() == [[2, 4, 5, 3, 0, 0], [2, 4, 3, 0, 0, 0]]


def test_rows_wait_only_for_rows_of_about_their_length(encoder):
    text = encoder({"tokenizer_config.json": {"model_max_length": 512}})
    keys = [text.feed(text.one("a " * (length - 2))).key for length in (3, 16, 17, 32, 33, 512)]
    assert keys == [16, 16, 32, 32, 64, 512]


def test_a_text_of_no_tokens_is_refused(encoder, tokenizer):
    tokenizer.post_processor = processors.TemplateProcessing(single="$A", pair="$A $B")
    text = encoder(tokenizer=tokenizer)
    with pytest.raises(InvalidRequest, match="a text has no tokens"):
        text.feed(text.one(" "))


def test_rows_that_are_filled_to_one_length_share_a_batch(encoder, taking):
    inputs = taking("input_ids", "attention_mask", shape=(-1, 64))
    text = encoder({"tokenizer_config.json": {"model_max_length": 512}}, inputs=inputs)
    assert {text.feed(text.one("a " * length)).key for length in (1, 20, 60)} == {64}


def test_only_rows_of_one_length_share_a_batch_where_padding_would_be_read(encoder, taking):
    text = encoder(inputs=taking("input_ids"))
    assert text.feed(text.one("a")).key == text.feed(text.one("b")).key
    assert text.feed(text.one("a")).key != text.feed(text.one("a b")).key


def test_rows_never_share_a_batch_where_the_graph_does_not_batch(encoder, taking):
    text = encoder(inputs=taking("input_ids", shape=(1, -1)), batches=False)
    assert text.feed(text.one("a")).key != text.feed(text.one("a")).key


def test_token_ids_run_as_they_are(encoder):
    text = encoder({"tokenizer_config.json": {"model_max_length": 4}})
    assert text.ready([2, 4, 3]).ids.tolist() == [2, 4, 3]
    assert text.ready([2, 4, 4, 4, 3]).truncated


@pytest.mark.parametrize("ids", [[-1], [2, 10_000]])
def test_token_ids_that_the_model_lacks_are_refused(encoder, ids):
    with pytest.raises(InvalidRequest, match="token ids go from 0 to"):
        encoder().ready(ids)


def test_an_encoder_is_shared_by_threads(encoder):
    text = encoder()
    words = ["disk", "full disk", "disk is full", "磁盘满 yes"] * 50
    with ThreadPoolExecutor(4) as threads:
        rows = list(threads.map(text.one, words))
    assert [row.ids.tolist() for row in rows] == [text.one(word).ids.tolist() for word in words]
