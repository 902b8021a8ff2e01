import numpy as np
import pytest
from tokenizers import processors

from shoal.errors import InvalidRequest, ModelLoadFailed, ModelUnsupported
from shoal_serving.tasks.feature_extraction import FeatureExtraction
from shoal_serving.tasks.folder import ModelFolder

SIZE = 4


def vectors_of(ids):
    """The vector of a token: some function of its id."""
    return np.stack([np.sin(ids * k) for k in range(1, SIZE + 1)], axis=-1).astype(np.float32)


def modules(*kinds):
    return [
        {
            "idx": i,
            "name": str(i),
            "path": f"{i}_{kind}",
            "type": f"sentence_transformers.models.{kind}",
        }
        for i, kind in enumerate(kinds)
    ]


@pytest.fixture
def embedder(folder, graph, named):
    """Builds a task and its graph, which gives every token the vector of its id."""

    def build(files=None, outputs=None, dtype=np.float32):
        def compute(inputs):
            tokens = vectors_of(inputs["input_ids"]).astype(dtype)
            # What padding gives is never finite, so whoever reads it is found out.
            tokens[inputs["attention_mask"] == 0] = np.nan
            return {"last_hidden_state": tokens, "pooler_output": tokens[:, 0] * 0}

        given = outputs or [("last_hidden_state", (-1, -1, SIZE)), ("pooler_output", (-1, SIZE))]
        backend = graph(tuple(named(name, shape) for name, shape in given), compute)
        return FeatureExtraction(ModelFolder(folder(files)), backend), backend

    return build


@pytest.fixture
def embed(ask):
    """Embeds texts, together in padded batches: `embed(embedder(...), texts, **parameters)`."""

    def vectors(model, inputs, **parameters):
        task, backend = model
        query = task.from_json({"inputs": inputs, **parameters})
        return ask(task, backend, query, together=True)

    return vectors


def tokens_of(tokenizer, text):
    return vectors_of(np.array(tokenizer.encode(text).ids))


def test_the_mean_is_taken_where_the_files_say_nothing(embedder, embed, tokenizer):
    answer = embed(embedder(), ["disk is full", "disk"])
    for vector, text in zip(answer.vectors, ["disk is full", "disk"], strict=True):
        np.testing.assert_allclose(vector, tokens_of(tokenizer, text).mean(axis=0), atol=1e-6)
    assert (answer.tokens, answer.truncated) == (5 + 3, 0)


@pytest.mark.parametrize(
    ("config", "pool"),
    [
        ({"pooling_mode_cls_token": True, "pooling_mode_mean_tokens": False}, lambda t: t[0]),
        ({"pooling_mode_lasttoken": True}, lambda t: t[-1]),
        ({"pooling_mode_max_tokens": True}, lambda t: t.max(axis=0)),
        ({"pooling_mode_mean_tokens": True}, lambda t: t.mean(axis=0)),
        ({"pooling_mode_mean_sqrt_len_tokens": True}, lambda t: t.sum(axis=0) / 5**0.5),
        (
            {"pooling_mode_weightedmean_tokens": True},
            lambda t: np.average(t, axis=0, weights=[1, 2, 3, 4, 5]),
        ),
        ({"pooling_mode": "cls"}, lambda t: t[0]),
        (
            {"pooling_mode_mean_tokens": True, "pooling_mode_cls_token": True},
            lambda t: np.concatenate([t[0], t.mean(axis=0)]),
        ),
    ],
)
def test_the_models_own_pooling_is_used(embedder, embed, tokenizer, config, pool):
    model = embedder(
        {"modules.json": modules("Transformer", "Pooling"), "1_Pooling/config.json": config}
    )
    answer = embed(model, ["disk is full", "disk"])
    wanted = pool(tokens_of(tokenizer, "disk is full"))
    np.testing.assert_allclose(answer.vectors[0], wanted, atol=1e-6)
    assert model[0].outputs[0].shape == (-1, len(wanted))


def test_vectors_are_normalised_where_the_files_say_so(embedder, embed):
    files = {"modules.json": modules("Transformer", "Pooling", "Normalize")}
    model = embedder(files)
    np.testing.assert_allclose(np.linalg.norm(embed(model, ["disk"]).vectors, axis=1), 1, atol=1e-6)
    plain = embed(model, ["disk"], normalize=False).vectors
    assert np.linalg.norm(plain) != pytest.approx(1, abs=1e-3)


def test_the_caller_may_ask_for_normalised_vectors(embedder, embed):
    vectors = embed(embedder(), ["disk"], normalize=True).vectors
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-6)


def test_shortened_vectors_are_normalised_again(embedder, embed):
    whole, short = (
        embed(embedder(), "disk").vectors,
        embed(embedder(), "disk", dimensions=2).vectors,
    )
    np.testing.assert_allclose(short, whole[:, :2] / np.linalg.norm(whole[:, :2]), atol=1e-6)


def test_more_dimensions_than_there_are_are_refused(embedder, embed):
    with pytest.raises(InvalidRequest, match="dimensions: expected at most 4, got 5"):
        embed(embedder(), "disk", dimensions=5)


def test_a_graph_that_pools_is_not_pooled_again(folder, graph, named, ask):
    backend = graph(
        (named("token_embeddings", (-1, -1, SIZE)), named("sentence_embedding", (-1, SIZE))),
        lambda inputs: {"sentence_embedding": np.full((len(inputs["input_ids"]), SIZE), 2.0)},
    )
    files = {"modules.json": modules("Transformer", "Pooling", "Dense")}
    task = FeatureExtraction(ModelFolder(folder(files)), backend)
    answer = ask(task, backend, task.example())
    assert answer.vectors.tolist() == [[2] * SIZE]
    assert answer.vectors.dtype == np.float32


def test_half_precision_vectors_become_single_precision(embedder, embed):
    assert embed(embedder(dtype=np.float16), "disk").vectors.dtype == np.float32


@pytest.mark.parametrize(
    ("files", "what"),
    [
        ({"modules.json": modules("Transformer", "Pooling", "Dense")}, "Dense"),
        ({"1_Pooling/config.json": {"pooling_mode": "attention"}}, "attention"),
    ],
)
def test_modules_that_are_not_here_are_refused(embedder, files, what):
    with pytest.raises(ModelUnsupported, match=what):
        embedder(files)


def test_a_path_out_of_the_folder_is_refused(embedder):
    listed = [{"path": "../other", "type": "sentence_transformers.models.Pooling"}]
    with pytest.raises(ModelLoadFailed, match="outside"):
        embedder({"modules.json": listed})


PROMPTS = {"prompts": {"query": "query: ", "none": ""}, "default_prompt_name": None}


def test_a_prompt_is_read_before_the_text(embedder, embed):
    model = embedder({"config_sentence_transformers.json": PROMPTS})
    with_prompt = embed(model, "disk", prompt_name="query").vectors
    np.testing.assert_array_equal(with_prompt, embed(model, "query: disk").vectors)
    assert embed(model, "disk", prompt_name="none").tokens == 3


def test_the_models_default_prompt_is_used(embedder, embed):
    files = {"config_sentence_transformers.json": PROMPTS | {"default_prompt_name": "query"}}
    assert embed(embedder(files), "disk").tokens == 5
    assert embed(embedder(files), "disk", prompt_name="none").tokens == 3


def test_a_pooling_may_leave_the_prompt_out(embedder, embed, tokenizer):
    model = embedder(
        {
            "config_sentence_transformers.json": PROMPTS,
            "1_Pooling/config.json": {"pooling_mode_mean_tokens": True, "include_prompt": False},
        }
    )
    wanted = tokens_of(tokenizer, "query: disk")[3:].mean(axis=0)
    vector = embed(model, "disk", prompt_name="query").vectors[0]
    np.testing.assert_allclose(vector, wanted, atol=1e-6)


def test_a_prompt_that_fills_the_sequence_leaves_something_to_pool(embedder, embed):
    model = embedder(
        {
            "config_sentence_transformers.json": {"prompts": {"long": "disk " * 99}},
            "1_Pooling/config.json": {"pooling_mode": "mean", "include_prompt": False},
        }
    )
    assert np.isfinite(embed(model, "disk", prompt_name="long").vectors).all()


def test_a_prompt_before_nothing_leaves_something_to_pool(embedder, embed, tokenizer):
    tokenizer.post_processor = processors.TemplateProcessing(single="$A", pair="$A $B")
    model = embedder(
        {
            "config_sentence_transformers.json": PROMPTS,
            "1_Pooling/config.json": {"pooling_mode": "max", "include_prompt": False},
        }
    )
    assert np.isfinite(embed(model, "", prompt_name="query").vectors).all()


def test_an_unknown_prompt_is_refused_with_those_there_are(embedder, embed):
    model = embedder({"config_sentence_transformers.json": PROMPTS})
    with pytest.raises(InvalidRequest, match=r"model's prompts \(none, query\), got 'passage'"):
        embed(model, "disk", prompt_name="passage")


def test_a_default_prompt_that_is_not_there_is_refused(embedder):
    with pytest.raises(ModelLoadFailed, match="no prompt 'query'"):
        embedder({"config_sentence_transformers.json": {"default_prompt_name": "query"}})


def test_long_texts_are_cut_and_reported(embedder, embed):
    right = embed(embedder(), ["disk " * 99, "disk"])
    assert (right.tokens, right.truncated) == (32 + 3, 1)
    left = embed(embedder(), "disk " * 99 + "full", truncation_direction="left")
    assert left.truncated == 1
    assert (left.vectors != right.vectors[0]).any()


def test_long_texts_are_refused_where_they_must_not_be_cut(embedder, embed):
    with pytest.raises(InvalidRequest, match="more than the 32 tokens"):
        embed(embedder(), "disk " * 99, truncate=False)
    assert embed(embedder(), "disk", truncate=False).truncated == 0


def test_texts_are_lowered_where_the_files_say_so(embedder, tokenizer):
    task, _ = embedder({"sentence_bert_config.json": {"do_lower_case": True}})
    tokenizer.normalizer = None
    [feed] = task.encode(task.from_json({"inputs": "DISK"})).feeds
    assert feed.tensors["input_ids"].tolist() == [tokenizer.encode("disk").ids]


def test_openai_clients_send_texts_or_token_ids(embedder, ask, tokenizer):
    task, backend = embedder()
    ids = tokenizer.encode("disk is full").ids

    def vectors(value):
        return ask(task, backend, task.from_openai(value)).vectors.tolist()

    [vector] = vectors("disk is full")
    assert vectors(["disk is full"]) == [vector]
    assert vectors(ids) == [vector]
    assert vectors([ids, "disk is full"]) == [vector, vector]


@pytest.mark.parametrize(
    ("value", "sentence"),
    [
        ([], "input: expected at least one element, got an empty array"),
        ([[]], "input[0]: expected at least one element, got an empty array"),
        ([1, "a"], "input[1]: expected a token id, got a string"),
        ([True], "input[0]: expected a token id, got a boolean"),
        (["a", None], "input[1]: expected a string, got null"),
        ({"a": 1}, "input: expected an array, got an object"),
    ],
)
def test_a_wrong_openai_input_is_refused(embedder, value, sentence):
    with pytest.raises(InvalidRequest) as refused:
        embedder()[0].from_openai(value)
    assert str(refused.value) == sentence


def test_token_ids_that_the_model_lacks_are_refused(embedder):
    task, _ = embedder({"config.json": {"vocab_size": 10}})
    with pytest.raises(InvalidRequest, match="token ids go from 0 to 9"):
        task.encode(task.from_openai([2, 10, 3]))


def test_protocol_clients_get_vectors(embedder, ask):
    task, backend = embedder()
    inputs = {"text": np.array([b"disk", "磁盘".encode()], object)}
    outputs = task.to_tensors(ask(task, backend, task.from_tensors(inputs, {"normalize": True})))
    assert outputs["embedding"].shape == (2, SIZE)
    assert outputs["embedding"].dtype == np.float32


def test_the_hugging_face_client_gets_a_vector_or_a_list_of_them(embedder, inference_client):
    client = inference_client(*embedder({"config_sentence_transformers.json": PROMPTS}))
    assert client.feature_extraction("disk").shape == (SIZE,)
    assert client.feature_extraction(["disk", "full"]).shape == (2, SIZE)
    vector = client.feature_extraction(
        "disk",
        normalize=True,
        prompt_name="query",
        truncate=True,
        truncation_direction="right",
        dimensions=2,
        encoding_format="float",
    )
    assert np.linalg.norm(vector) == pytest.approx(1)
    assert client.feature_extraction(["disk"], normalize=False, dimensions=3).shape == (1, 3)


def test_the_hugging_face_client_gets_similarities(embedder, inference_client):
    client = inference_client(*embedder())
    same, other = client.sentence_similarity("disk", ["disk", "full"])
    assert same == pytest.approx(1, abs=1e-6)
    assert -1 <= other < 0.99


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        ({"inputs": 1}, "inputs: expected an array, got a whole number"),
        (
            {"inputs": "a", "normalise": True},
            "the body: expected the fields inputs, parameters, normalize, prompt_name, truncate, "
            "truncation_direction, dimensions, encoding_format, got 'normalise'",
        ),
        ({"inputs": "a", "parameters": 1}, "parameters: expected an object, got a whole number"),
        (
            {"inputs": "a", "parameters": {"normalize": 1}},
            "normalize: expected true or false, got a whole number",
        ),
        (
            {"inputs": "a", "encoding_format": "base64"},
            "encoding_format: base64 is answered at /v1/embeddings, here is float only",
        ),
        (
            {"inputs": "a", "truncation_direction": "up"},
            "truncation_direction: expected one of right, left, got 'up'",
        ),
        (
            {"inputs": {"source_sentence": "a"}},
            "inputs: expected the fields source_sentence, sentences, got no 'sentences'",
        ),
    ],
)
def test_a_wrong_body_is_refused(embedder, body, sentence):
    with pytest.raises(InvalidRequest) as refused:
        embedder()[0].from_json(body)
    assert str(refused.value) == sentence
