import numpy as np
import pytest

from shoal.errors import InvalidRequest, ModelLoadFailed, ModelUnsupported
from shoal_serving.tasks.folder import ModelFolder
from shoal_serving.tasks.question_answering import QuestionAnswering


@pytest.fixture
def pointer(folder, graph, named, vocabulary):
    """Builds a task and its graph, which points at the words it is told, each as sure as said.

    A word before `..` starts an answer and one behind it ends one: `{"disk..full": 10}`.
    """

    def build(words, config=None, nothing=0.0):
        def compute(inputs):
            starts, ends = np.zeros((2, *inputs["input_ids"].shape), np.float32)
            starts[:, 0] = ends[:, 0] = nothing
            context = inputs["token_type_ids"] == 1
            for span, logit in words.items():
                first, _, last = span.partition("..")
                starts[context & (inputs["input_ids"] == vocabulary[first])] = logit
                ends[context & (inputs["input_ids"] == vocabulary[last or first])] = logit
            return {"start_logits": starts, "end_logits": ends}

        outputs = (named("start_logits", (-1, -1)), named("end_logits", (-1, -1)))
        backend = graph(outputs, compute)
        path = folder({"config.json": config or {}})
        return QuestionAnswering(ModelFolder(path), backend), backend

    return build


@pytest.fixture
def answers(ask):
    """Asks one question: `answers(pointer(...), context, **parameters)`, in HF's shape."""

    def answer(model, context, question="what?", **parameters):
        task, backend = model
        body = {"inputs": {"question": question, "context": context}, "parameters": parameters}
        return task.to_json(ask(task, backend, task.from_json(body), together=True))

    return answer


def test_every_reference_case_is_answered(sample, ask):
    model = sample("ops-qa", "question-answering")
    for case in model.cases:
        inputs = {"question": case["question"], "context": case["context"]}
        query = model.task.from_json({"inputs": inputs, "parameters": {"align_to_words": False}})
        [feed] = model.task.encode(query).feeds
        assert feed.tensors["input_ids"].tolist() == [case["input_ids"]]
        assert feed.tensors["token_type_ids"].tolist() == [case["token_type_ids"]]
        answer = model.task.to_json(ask(model.task, model.backend, query))
        assert answer["answer"] == case["answer"]
        assert (answer["start"], answer["end"]) == (case["start_char"], case["end_char"])
        assert answer["score"] == pytest.approx(case["score"], abs=1e-4)


def test_padding_changes_no_answer(sample, ask):
    model = sample("ops-qa", "question-answering")
    pairs = [{"question": c["question"], "context": c["context"]} for c in model.cases]
    query = model.task.from_json({"inputs": pairs, "parameters": {"align_to_words": False}})
    answer = ask(model.task, model.backend, query, together=True)
    assert [one.answer for [one] in answer.found] == [case["answer"] for case in model.cases]
    scores = [one.score for [one] in answer.found]
    np.testing.assert_allclose(scores, [case["score"] for case in model.cases], atol=1e-4)
    assert answer.tokens == sum(len(case["input_ids"]) for case in model.cases)


def test_the_hugging_face_client_works_unmodified(sample, inference_client):
    model = sample("ops-qa", "question-answering")
    client = inference_client(model.task, model.backend)
    case = model.cases[0]
    best = client.question_answering(case["question"], case["context"])
    assert (best.answer, best.start, best.end) == ("系统无法写入文件", 5, 13)
    first, second = client.question_answering(
        case["question"],
        case["context"],
        align_to_words=False,
        doc_stride=32,
        handle_impossible_answer=True,
        max_answer_len=20,
        max_question_len=32,
        max_seq_len=128,
        top_k=2,
    )
    assert first.answer == best.answer
    assert first.score > second.score


@pytest.mark.parametrize(
    "before",
    ["", "😀", "𠀀磁", "e\u0301 ", "ｆｕｌｌ，", "a\0b ", "\u200b\ufeff", "👩‍🔧 ", "é\r\n", "İ "],
)
def test_offsets_count_characters_of_the_context_as_it_was_sent(pointer, answers, before):
    context = f"{before}盘满😀了"
    answer = answers(pointer({"盘..满": 10}), context)
    assert (answer["answer"], answer["start"]) == ("盘满", len(before))
    assert context[answer["start"] : answer["end"]] == answer["answer"]


def test_a_long_context_is_read_in_windows_that_overlap(pointer):
    task, _ = pointer({})
    body = {"inputs": {"question": "what?", "context": "磁 " * 60}, "parameters": {"doc_stride": 7}}
    feeds = task.encode(task.from_json(body)).feeds
    lengths = [feed.tensors["input_ids"].shape[1] for feed in feeds]
    # 32 tokens less [CLS] what ? [SEP] [SEP] are 27 of context, 20 of them new.
    assert lengths == [32, 32, 25]


@pytest.mark.parametrize("place", [0, 13, 20, 21, 26, 40, 59])
def test_an_answer_is_found_wherever_it_is_and_as_surely(pointer, answers, place):
    words = ["磁"] * 60
    words[place] = "disk"
    context = " ".join(words)
    answer = answers(pointer({"disk": 20}), context, doc_stride=7)
    assert (answer["answer"], answer["start"]) == ("disk", 2 * place)
    assert answer["score"] == pytest.approx(1, abs=1e-4)


def test_an_answer_that_one_window_misses_is_found_in_the_next(pointer):
    task, _ = pointer({})
    words = ["磁"] * 60
    words[22] = "disk"  # seen by the windows from 0 and from 20
    body = {"inputs": {"question": "what?", "context": " ".join(words)}}
    encoded = task.encode(task.from_json({**body, "parameters": {"doc_stride": 7}}))
    rows = [np.zeros((1, 32), np.float32) for _ in encoded.feeds]
    rows[1][0, 4 + 2] = 20  # after [CLS] what ? [SEP]
    tensors = [{"start_logits": row, "end_logits": row} for row in rows]
    answer = task.to_json(task.decode(encoded, tensors))
    assert (answer["answer"], answer["start"]) == ("disk", 44)
    assert answer["score"] == pytest.approx(1, abs=1e-4)


def test_an_answer_in_two_windows_is_one_answer(pointer, answers):
    context = "磁 " * 22 + "disk" + " 盘" * 30
    found = answers(pointer({"disk": 9, "磁": 5}), context, top_k=20, doc_stride=13)
    wordings = [answer["answer"] for answer in found]
    assert wordings[0] == "disk"
    assert len(set(wordings)) == 20
    assert found[1]["score"] < found[0]["score"] <= 1


def test_scores_of_all_answers_sum_to_at_most_one(pointer, answers):
    context = "yes disk no full " * 20
    found = answers(pointer({"disk": 2, "full": 1, "yes": 1}), context, top_k=100)
    assert 0 < sum(answer["score"] for answer in found) <= 1


def test_answers_of_one_wording_are_one_answer(pointer, answers):
    found = answers(pointer({"disk": 5, "no": 4}), "Disk yes no yes DISK", top_k=5)
    assert [answer["answer"] for answer in found][:1] == ["Disk"]
    wordings = [answer["answer"].lower() for answer in found]
    assert len(wordings) == len(set(wordings)) == 5


def test_an_answer_is_never_longer_than_was_asked(pointer, answers):
    model = pointer({"disk..full": 10})
    context = "disk is the full"
    assert answers(model, context, max_answer_len=4)["answer"] == context
    assert answers(model, context, max_answer_len=3)["answer"] != context


def test_an_answer_cuts_no_word_unless_asked(pointer, answers):
    model = pointer({"##e": 10})
    assert answers(model, "the seven is")["answer"] == "seven"
    assert answers(model, "the seven is", align_to_words=False)["answer"] == "e"


def test_no_answer_is_one_where_it_is_asked_for(pointer, answers):
    model = pointer({"disk": 2}, nothing=5)
    assert answers(model, "disk is full")["answer"] == "disk"
    nothing = answers(model, "disk is full", handle_impossible_answer=True)
    assert (nothing["answer"], nothing["start"], nothing["end"]) == ("", 0, 0)
    assert nothing["score"] > 0.8
    both = answers(model, "disk is full", handle_impossible_answer=True, top_k=2)
    assert [answer["answer"] for answer in both] == ["", "disk"]


def test_one_window_with_an_answer_outweighs_those_without(pointer, answers):
    model = pointer({"disk": 12}, nothing=5)
    context = "磁 " * 100 + "disk"
    assert answers(model, context, handle_impossible_answer=True)["answer"] == "disk"


def test_the_models_own_configuration_sets_defaults(pointer, answers):
    own = {"handle_impossible_answer": True, "padding": "longest"}
    model = pointer({}, {"task_specific_params": {"question-answering": own}}, nothing=9)
    assert answers(model, "disk is full")["answer"] == ""
    assert answers(model, "disk is full", handle_impossible_answer=False)["answer"] != ""


def test_defaults_that_are_not_sound_are_refused(pointer):
    own = {"task_specific_params": {"question-answering": {"top_k": "many"}}}
    with pytest.raises(ModelLoadFailed, match="top_k: expected a whole number"):
        pointer({}, own)


def test_a_long_question_is_cut_and_reported(pointer, ask):
    task, backend = pointer({"disk": 9})
    inputs = {"question": "what " * 20, "context": "disk is full"}
    query = task.from_json({"inputs": inputs, "parameters": {"max_question_len": 5}})
    answer = ask(task, backend, query)
    assert (answer.tokens, answer.truncated) == (5 + 3 + 3, 1)


def test_protocol_clients_get_a_row_for_each_pair(pointer, ask):
    task, backend = pointer({"disk": 20, "磁..满": 20})
    questions = np.array([b"what?", b"what?"], object)
    contexts = np.array([b"the disk", "是磁盘满".encode()], object)
    inputs = {"question": questions, "context": contexts}
    outputs = task.to_tensors(ask(task, backend, task.from_tensors(inputs, {"top_k": 3})))
    assert outputs["answer"][:, 0].tolist() == [b"disk", "磁盘满".encode()]
    assert outputs["start"][:, 0].tolist() == [4, 1]
    assert outputs["end"][:, 0].tolist() == [8, 4]
    assert [outputs[spec.name].shape for spec in task.outputs] == [(2, 3)] * 4
    assert outputs["score"].dtype == np.float32


def test_rows_with_fewer_answers_are_filled_with_empty_ones(pointer, ask):
    task, backend = pointer({"disk": 20})
    inputs = {
        "question": np.array([b"what?"] * 2, object),
        "context": np.array([b"disk", b"disk is full"], object),
    }
    outputs = task.to_tensors(ask(task, backend, task.from_tensors(inputs, {"top_k": 3})))
    assert outputs["answer"][0].tolist() == [b"disk", b"", b""]
    assert outputs["score"][0, 1:].tolist() == [0, 0]


@pytest.mark.parametrize(
    ("inputs", "parameters", "sentence"),
    [
        ("a", {}, "inputs: expected an array, got a string"),
        ({"question": "a"}, {}, "inputs: expected the fields question, context, got no 'context'"),
        (
            {"question": "", "context": "a"},
            {},
            "inputs.question: expected text, got an empty string",
        ),
        (
            [{"question": "a", "context": 1}],
            {},
            "inputs[0].context: expected a string, got a whole number",
        ),
        ({"question": "a", "context": "b"}, {"top_k": 101}, "top_k: expected at most 100, got 101"),
        (
            {"question": "a", "context": "b"},
            {"doc_stride": -1},
            "doc_stride: expected a whole number of at least 0, got -1",
        ),
    ],
)
def test_a_wrong_body_is_refused(pointer, inputs, parameters, sentence):
    task, _ = pointer({})
    with pytest.raises(InvalidRequest) as refused:
        task.from_json({"inputs": inputs, "parameters": parameters})
    assert str(refused.value) == sentence


@pytest.mark.parametrize(
    ("context", "parameters", "sentence"),
    [
        (" \n\0", {}, "context: expected text, got nothing but white space and control characters"),
        (
            "disk",
            {"max_seq_len": 5},
            "max_seq_len: expected more than the question's 5 tokens, got 5",
        ),
        (
            "disk",
            {"doc_stride": 27},
            "doc_stride: expected less than the 27 tokens of context in a window, got 27",
        ),
    ],
)
def test_what_leaves_nothing_to_read_is_refused(pointer, answers, context, parameters, sentence):
    with pytest.raises(InvalidRequest) as refused:
        answers(pointer({}), context, **parameters)
    assert str(refused.value) == sentence


def test_as_many_contexts_as_questions_are_needed(pointer):
    task, _ = pointer({})
    inputs = {"question": np.array([b"a"], object), "context": np.array([b"a", b"b"], object)}
    with pytest.raises(InvalidRequest, match="expected one for each of 1 questions, got 2"):
        task.from_tensors(inputs, {})


def test_a_graph_without_both_logits_is_refused(folder, graph, named):
    with pytest.raises(ModelUnsupported, match="end_logits"):
        QuestionAnswering(
            ModelFolder(folder()), graph((named("start_logits", (-1, -1)), named("x", (-1, -1))))
        )
