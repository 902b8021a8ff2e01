import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest
import tokenizer_families
from huggingface_hub import InferenceClient

from shoal.api.tensors import TensorSpec
from shoal.errors import InvalidRequest
from shoal_serving.generate.request import (
    Delta,
    Finish,
    Generation,
    Grammar,
    GrammarKind,
    Sampling,
    Stopping,
    TokenLogprob,
)
from shoal_serving.generate.stream import joined
from shoal_serving.generate.vocabulary import open_vocabulary
from shoal_serving.tasks.folder import ModelFolder
from shoal_serving.tasks.generated import GeneratedText
from shoal_serving.tasks.text_generation import TextGeneration

SIZE = 400


@pytest.fixture
def vocabulary(tmp_path):
    tokenizer_families.save(tokenizer_families.byte_level(), tmp_path)
    return open_vocabulary(ModelFolder(tmp_path), SIZE)


@pytest.fixture
def task(vocabulary):
    return TextGeneration(vocabulary)


@pytest.fixture
def stream(vocabulary):
    """A fake stream: every generation is answered with this text and the end token."""

    def make(generation, text=" fox 满"):
        tokens, end = vocabulary.encode(text), vocabulary.encode("<|end|>")
        detokenizer = vocabulary.detokenizer()
        reports = generation.sampling.logprobs
        deltas = []
        for token in [*tokens, *end]:
            entry = TokenLogprob(token, -0.5, ((token, -0.5), (7, -2.0))[: reports or 0])
            logprobs = () if reports is None else (entry,)
            deltas.append(Delta(detokenizer.push(token), (token,), logprobs))
        last = deltas.pop()
        prefill = (None, *[TokenLogprob(t, -1.0) for t in generation.prompt[1:]])
        if generation.prompt_logprobs is not None:
            deltas[0] = Delta(deltas[0].text, deltas[0].tokens, deltas[0].logprobs, prefill)
        return [*deltas, Delta("", last.tokens, last.logprobs, finish=Finish.STOP, stop=end[0])]

    return make


@pytest.fixture
def ask(task, stream):
    """Answers a query with fake streams."""

    def answer(query):
        generations = task.encode(query)
        texts = [GeneratedText.of(g, joined(stream(g))) for g in generations]
        return task.decode(query, texts)

    return answer


def tensors(*texts, **others):
    inputs = {"text_input": np.array([text.encode() for text in texts], object)}
    for name, value in others.items():
        if not isinstance(value, bool):
            value = json.dumps(value).encode()
        inputs[name] = np.array([value], np.bool_ if isinstance(value, bool) else object)
    return inputs


def asked(task, **parameters):
    """The generation of a request in Hugging Face's shape."""
    return task.from_json({"inputs": "The", "parameters": parameters}).generation


def sampled(task, **parameters):
    """The generation of a request in the protocol's shape."""
    return task.from_tensors(tensors("The"), parameters).generation


def test_the_example_is_short_and_greedy(task, ask, vocabulary):
    [generation] = task.encode(task.example())
    assert generation.prompt == tuple(vocabulary.encode("Hello"))
    assert generation.sampling.temperature == 0
    assert generation.stopping.max_tokens == 2
    assert task.to_tensors(ask(task.example()))["text_output"].tolist() == [b" fox \xe6\xbb\xa1"]


def test_only_the_text_is_needed_of_a_protocol_client(task):
    assert [(spec.name, spec.optional) for spec in task.inputs] == [
        ("text_input", False),
        ("sampling_parameters", True),
        ("stream", True),
        ("exclude_input_in_output", True),
    ]
    assert task.outputs == (TensorSpec(name="text_output", datatype="BYTES", shape=(-1,)),)


def test_a_protocol_client_gets_its_texts_with_what_follows(task, ask):
    answer = ask(task.from_tensors(tensors("The", "磁"), {}))
    texts = [text.decode() for text in task.to_tensors(answer)["text_output"]]
    assert texts == ["The fox 满", "磁 fox 满"]


@pytest.mark.parametrize("said", ["input", "parameter"])
def test_the_input_can_be_left_out_of_the_output(task, ask, said):
    if said == "input":
        query = task.from_tensors(tensors("The", exclude_input_in_output=True), {})
    else:
        query = task.from_tensors(tensors("The"), {"exclude_input_in_output": True})
    assert task.to_tensors(ask(query))["text_output"].tolist() == [" fox 满".encode()]


def test_a_stream_leaves_the_input_out(task):
    query = task.from_tensors(tensors("The", stream=True), {})
    assert (query.stream, query.full_text) == (True, False)
    with pytest.raises(InvalidRequest, match="expected true in a stream, got false"):
        task.from_tensors(tensors("The", stream=True, exclude_input_in_output=False), {})


def test_without_parameters_a_protocol_client_gets_what_vllm_takes_as_given(task):
    assert sampled(task) == Generation((), Sampling(), Stopping(max_tokens=16))


VLLM = {
    "temperature": 0,
    "top_p": 0.5,
    "top_k": 7,
    "min_p": 0.1,
    "repetition_penalty": 1.1,
    "presence_penalty": -1,
    "frequency_penalty": 0.5,
    "logit_bias": {"3": -100, "4": 1.5},
    "seed": 11,
    "max_tokens": 5,
    "min_tokens": 2,
    "stop": ["。", "\n"],
    "stop_token_ids": [9],
    "ignore_eos": True,
    "include_stop_str_in_output": True,
    "skip_special_tokens": False,
    "structured_outputs": {"regex": "[a-z]+"},
    "lora_name": "pirate",
}


@pytest.mark.parametrize("said", ["input", "parameters"])
def test_sampling_parameters_are_those_of_vllm(task, said):
    if said == "input":
        query = task.from_tensors(tensors("The", sampling_parameters=VLLM), {})
    else:
        query = task.from_tensors(tensors("The"), VLLM)
    assert query.generation == Generation(
        prompt=(),
        sampling=Sampling(
            temperature=0,
            top_k=7,
            top_p=0.5,
            min_p=0.1,
            repetition_penalty=1.1,
            presence_penalty=-1,
            frequency_penalty=0.5,
            logit_bias={3: -100, 4: 1.5},
            seed=11,
        ),
        stopping=Stopping(5, 2, ("。", "\n"), frozenset({9}), True, True),
        grammar=Grammar(GrammarKind.REGEX, "[a-z]+"),
        adapter="pirate",
        skip_special_tokens=False,
    )


def test_vllms_minus_one_is_all_tokens_and_one_stop_needs_no_list(task):
    generation = sampled(task, top_k=-1, stop="\n")
    assert generation.sampling.top_k == 0
    assert generation.stopping.strings == ("\n",)


@pytest.mark.parametrize(
    ("given", "kind", "value"),
    [
        ('{"json": {"type": "integer"}}', GrammarKind.JSON_SCHEMA, {"type": "integer"}),
        ({"json": '{"type": "integer"}'}, GrammarKind.JSON_SCHEMA, {"type": "integer"}),
        ({"json_object": True}, GrammarKind.JSON_OBJECT, None),
        ({"choice": ["yes", "no"]}, GrammarKind.CHOICE, ["yes", "no"]),
        ({"grammar": 'start: "a"'}, GrammarKind.LARK, 'start: "a"'),
    ],
)
def test_structured_outputs_are_those_of_vllm(task, given, kind, value):
    assert sampled(task, structured_outputs=given).grammar == Grammar(kind, value)


@pytest.mark.parametrize(
    ("parameters", "said"),
    [
        ({"best_of": 2}, "unknown parameter 'best_of'; known are temperature"),
        ({"temperature": -1}, "temperature: expected a number from 0 to 1000, got -1"),
        ({"temperature": float("nan")}, "temperature: expected .* got nan"),
        ({"temperature": "1"}, "temperature: expected .* got a string"),
        ({"top_p": 0}, "top_p: expected a number above 0, at most 1, got 0"),
        ({"top_k": -2}, "top_k: expected a whole number of at least -1"),
        ({"seed": 2**63}, "seed: expected .* at most 9223372036854775807"),
        ({"max_tokens": 0}, "max_tokens: expected a whole number of at least 1, got 0"),
        ({"max_tokens": 3, "min_tokens": 4}, "min_tokens: expected .* at most 3, got 4"),
        ({"stop": ["a", ""]}, "stop: expected texts that are not empty"),
        ({"stop": ["a"] * 65}, "stop: expected at most 64 texts"),
        ({"stop": ["a" * 4000, "b" * 97]}, "stop: expected at most 4096 characters together"),
        ({"stop": 0}, "stop: expected an array, got a whole number"),
        ({"stop_token_ids": [SIZE]}, "stop_token_ids: expected token ids below 400"),
        ({"stop_token_ids": 0}, "stop_token_ids: expected an array"),
        ({"logit_bias": {"x": 1}}, "logit_bias: expected token ids below 400 as keys, got 'x'"),
        ({"logit_bias": {"²": 1}}, "logit_bias: expected token ids"),
        ({"logit_bias": {"3": "1"}}, r"logit_bias\.3: expected a number"),
        ({"logit_bias": {str(i): 1 for i in range(4097)}}, "logit_bias: expected at most 4096"),
        ({"logit_bias": [3]}, "logit_bias: expected an object"),
        ({"structured_outputs": {}}, "structured_outputs: expected one of json"),
        ({"structured_outputs": {"regex": "a", "choice": ["b"]}}, "expected one of json, .* got 2"),
        ({"structured_outputs": {"xml": "a"}}, "structured_outputs: expected the fields json"),
        ({"structured_outputs": "{"}, "structured_outputs: expected a JSON object"),
        ({"structured_outputs": {"choice": []}}, r"structured_outputs\.choice: expected at least"),
        ({"structured_outputs": {"json_object": 1}}, "json_object: expected true"),
        ({"lora_name": 3}, "lora_name: expected a string"),
    ],
)
def test_sampling_parameters_that_cannot_be_are_named(task, parameters, said):
    with pytest.raises(InvalidRequest, match=said):
        sampled(task, **parameters)


@pytest.mark.parametrize(
    ("inputs", "said"),
    [
        ({}, "input 'text_input' is missing"),
        (tensors("a") | {"image": np.array([b"x"], object)}, "unknown input 'image'"),
        (tensors(), "expected at least one text"),
        (tensors("a") | {"stream": np.array([1])}, "expected BOOL of shape"),
        (tensors("a") | {"stream": np.array([True, True])}, "expected BOOL of shape"),
        (tensors("a", sampling_parameters=[1]), "sampling_parameters: expected a JSON object"),
        (
            tensors("a") | {"sampling_parameters": np.array([b"{"], object)},
            "sampling_parameters: expected a JSON object",
        ),
    ],
)
def test_other_inputs_are_named(task, inputs, said):
    with pytest.raises(InvalidRequest, match=said):
        task.from_tensors(inputs, {})


def test_what_is_said_twice_is_refused(task):
    with pytest.raises(InvalidRequest, match="seed: expected to be said once"):
        task.from_tensors(tensors("a", sampling_parameters={"seed": 1}), {"seed": 2})


def test_a_prompt_without_tokens_is_refused(task):
    with pytest.raises(InvalidRequest, match="a text has no tokens"):
        task.encode(task.from_json({"inputs": ""}))


def test_hugging_face_gets_the_likeliest_text_unless_it_asks_for_samples(task):
    assert asked(task) == Generation(
        (), Sampling(temperature=0), Stopping(max_tokens=100, include=True)
    )
    assert asked(task, do_sample=True).sampling.temperature == 1
    assert asked(task, temperature=0.7).sampling.temperature == 0.7
    assert asked(task, top_k=5).sampling.temperature == 1
    assert asked(task, temperature=0.7, do_sample=False).sampling.temperature == 0


def test_parameters_are_those_of_text_generation_inference(task):
    generation = asked(
        task,
        max_new_tokens=5,
        do_sample=True,
        temperature=0.5,
        top_k=3,
        top_p=0.9,
        repetition_penalty=1.2,
        frequency_penalty=0.1,
        seed=4,
        stop=["\n"],
        grammar={"type": "json", "value": {"type": "integer"}},
        adapter_id="terse",
        best_of=1,
        typical_p=None,
        watermark=False,
    )
    assert generation == Generation(
        prompt=(),
        sampling=Sampling(0.5, 3, 0.9, 0, 1.2, 0, 0.1, {}, 4),
        stopping=Stopping(5, strings=("\n",), include=True),
        grammar=Grammar(GrammarKind.JSON_SCHEMA, {"type": "integer"}),
        adapter="terse",
    )


@pytest.mark.parametrize(
    ("parameters", "said"),
    [
        ({"num_beams": 2}, "unknown parameter 'num_beams'"),
        ({"best_of": 2}, "best_of: not offered here"),
        ({"watermark": True}, "watermark: not offered here"),
        ({"typical_p": 0.5}, "typical_p: not offered here"),
        ({"max_new_tokens": 0}, "max_new_tokens: expected"),
        ({"truncate": 0}, "truncate: expected"),
        ({"top_n_tokens": 21}, "top_n_tokens: expected .* at most 20"),
        ({"decoder_input_details": True}, "decoder_input_details: expected it with details"),
        ({"grammar": {"type": "xml", "value": "a"}}, "type: expected one of json, regex"),
        ({"grammar": {"type": None, "value": "a"}}, "grammar.type: expected one of json, regex"),
        ({"grammar": {"type": "regex", "value": 1}}, "grammar.value: expected a string"),
        ({"grammar": {"type": "regex"}}, "grammar: expected the fields type, value"),
    ],
)
def test_parameters_that_cannot_be_are_named(task, parameters, said):
    with pytest.raises(InvalidRequest, match=said):
        asked(task, **parameters)


def test_several_texts_are_answered_in_order(task, ask):
    body = {"inputs": ["The", "磁"], "parameters": {"return_full_text": True}}
    answer = task.to_json(ask(task.from_json(body)))
    assert answer == [{"generated_text": "The fox 满"}, {"generated_text": "磁 fox 满"}]
    with pytest.raises(InvalidRequest, match="one text in a stream, got 2"):
        task.from_json(body | {"stream": True})


def test_truncation_keeps_the_last_tokens(task, vocabulary):
    query = task.from_json({"inputs": "The fox", "parameters": {"truncate": 3}})
    assert list(task.encode(query)[0].prompt) == vocabulary.encode("The fox")[-3:]


@pytest.mark.parametrize(
    ("finish", "stop", "reason"),
    [
        (Finish.STOP, 0, "eos_token"),
        (Finish.STOP, "\n", "stop_sequence"),
        (Finish.LENGTH, None, "length"),
    ],
)
def test_the_reason_is_in_the_words_of_text_generation_inference(task, finish, stop, reason):
    query = task.from_json({"inputs": "The", "parameters": {"details": True}})
    [generation] = task.encode(query)
    text = GeneratedText.of(generation, Delta("a", (5,), finish=finish, stop=stop))
    [answer] = task.to_json(task.decode(query, [text]))
    assert answer["details"]["finish_reason"] == reason
    event = task.events(query, 1).push(Delta("a", (5,), finish=finish, stop=stop))[-1]
    assert event["details"]["finish_reason"] == reason


def test_the_events_of_a_delta_say_its_text_once(task, vocabulary):
    query = task.from_json({"inputs": "The", "stream": True})
    events = task.events(query, 1)
    [end] = vocabulary.encode("<|end|>")
    assert events.push(Delta()) == []
    said = events.push(Delta("ab", (5, 6, end)))
    said += events.push(Delta("", (7,)))
    said += events.push(Delta("c", (end,)))
    said += events.push(Delta("d", (), finish=Finish.LENGTH))
    assert [(e["index"], e["token"]["id"], e["token"]["text"]) for e in said] == [
        (1, 5, ""),
        (2, 6, "ab"),
        (3, end, ""),
        (4, 7, ""),
        (5, end, "c"),
        (5, end, "d"),
    ]
    assert [event["token"]["special"] for event in said] == [
        False,
        False,
        True,
        False,
        False,
        False,
    ]
    assert [event["generated_text"] for event in said] == [None] * 5 + ["abcd"]


@pytest.fixture
def client(task, ask, stream):
    """huggingface_hub's own client, and a server that answers it with fake streams."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            query = task.from_json(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            if query.stream:
                [generation] = task.encode(query)
                events = task.events(query, len(generation.prompt))
                said = [event for delta in stream(generation) for event in events.push(delta)]
                content = "".join(f"data:{json.dumps(event)}\n\n" for event in said)
            else:
                content = json.dumps(task.to_json(ask(query)))
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content.encode())

        def log_message(self, *parts):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield InferenceClient(model=f"http://127.0.0.1:{server.server_port}/")
    server.shutdown()
    server.server_close()
    thread.join()


def test_the_hugging_face_client_gets_text(client):
    assert client.text_generation("The", max_new_tokens=5) == " fox 满"
    assert client.text_generation("The", return_full_text=True) == "The fox 满"


def test_the_hugging_face_client_gets_details(client, vocabulary):
    answer = client.text_generation(
        "The fox", details=True, decoder_input_details=True, top_n_tokens=2, seed=3
    )
    details = answer.details
    tokens = vocabulary.encode(" fox 满<|end|>")
    assert (details.finish_reason, details.seed) == ("eos_token", 3)
    assert details.generated_tokens == len(tokens)
    assert [token.id for token in details.tokens] == tokens
    assert (details.tokens[-1].text, details.tokens[-1].special) == ("<|end|>", True)
    assert details.tokens[0].logprob == -0.5
    assert [token["id"] for token in details.top_tokens[0]] == [tokens[0], 7]
    prompt = vocabulary.encode("The fox")
    assert [token.id for token in details.prefill] == prompt
    assert [token.logprob for token in details.prefill] == [None] + [-1.0] * (len(prompt) - 1)


def test_the_hugging_face_client_gets_a_stream(client):
    assert "".join(client.text_generation("The", stream=True)) == " fox 满"


def test_the_hugging_face_client_gets_a_stream_with_details(client, vocabulary):
    events = list(client.text_generation("The", stream=True, details=True, top_n_tokens=1))
    tokens = vocabulary.encode(" fox 满<|end|>")
    assert [event.token.id for event in events] == tokens
    assert [event.index for event in events] == list(range(1, len(tokens) + 1))
    assert [event.token.logprob for event in events] == [-0.5] * len(tokens)
    assert events[0].top_tokens[0].id == tokens[0]
    assert events[-1].token.special
    assert events[-1].generated_text == " fox 满"
    assert events[-1].details.input_length == len(vocabulary.encode("The"))
    assert events[-1].details.generated_tokens == len(tokens)
