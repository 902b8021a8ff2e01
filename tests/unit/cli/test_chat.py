"""`shoal chat` with one message: what goes to the model, and what of its answer goes where."""

import pytest
from chat_server import chat_server

PARIS = "The capital of France is Paris. 巴黎"


def model(message, answer):
    """It does what the message says."""
    if message == "refuse":
        answer.refuse(404, "there is no model 'ghost': there are chat, pirate")
        return
    answer.begin(length=10_000 if message == "break down" else None)
    if message == "fail":
        answer.say("The ")
        answer.write(
            b'data: {"error": {"message": "the model failed", "type": "server_error"}}\n\n'
        )
    elif message in ("break off", "break down"):
        answer.say("The ", "capital")
    elif message == "talk nonsense":
        answer.write(b"data: 42\n\n")
    elif message == "ramble":
        answer.say("on and on")
        answer.end("length")
    elif message == "colour":
        answer.say("\x1b[31mred\x07")
        answer.end()
    elif message == "be formal":
        answer.write(b": a comment\r\nevent: chunk\r\nid: 1\r\n")
        answer.write(b'data: {"choices":\r\ndata: [{"delta": {"content": "one\xe2\x80\xa8')
        answer.write(b'two"}, "finish_reason": "stop"}]}\r\n\r\n')
    else:
        answer.say("", "The capital ", "of France ", "is Paris. 巴", "黎")
        answer.end()


@pytest.fixture
def server():
    with chat_server(model) as server:
        yield server


@pytest.fixture
def chat(served, store, server):
    """The Model `chat` is served."""
    chat = served("chat", task="text-generation", Ready="True/Ready")
    status = chat.status.model_copy(update={"url": server.url})
    store.report(chat.model_copy(update={"status": status}))


def test_a_message_is_answered_on_standard_output_alone(shoal, chat, running, server):
    result = shoal("chat", "model/chat", "What is the capital of France?")
    assert (result.exit_code, result.stdout, result.stderr) == (0, f"{PARIS}\n", "")
    path, body = server.asked[0]
    messages = [{"role": "user", "content": "What is the capital of France?"}]
    assert path == "/default/chat/v1/chat/completions"
    assert body == {"model": "chat", "messages": messages, "stream": True}


@pytest.mark.parametrize("words", [("model/chat", "Hi", "there"), ("models", "chat", "Hi there")])
def test_the_model_is_named_as_everywhere(shoal, chat, running, server, words):
    assert shoal("chat", *words).exit_code == 0
    assert server.messages == [("user", "Hi there")]


def test_a_message_comes_from_standard_input(shoal, chat, running, server):
    result = shoal("chat", "model/chat", input="What is\nthe capital?\n")
    assert (result.exit_code, result.stdout) == (0, f"{PARIS}\n")
    assert server.messages == [("user", "What is\nthe capital?")]


def test_how_the_answer_is_made_can_be_said(shoal, chat, running, server):
    options = ("--system", "Be brief.", "--adapter", "pirate", "--temperature", "0")
    assert shoal("chat", "model/chat", "Hi", *options, "--max-tokens", "8").exit_code == 0
    body = server.asked[0][1]
    assert (body["model"], body["temperature"], body["max_tokens"]) == ("pirate", 0, 8)
    assert server.messages == [("system", "Be brief."), ("user", "Hi")]


def test_events_are_read_as_the_standard_has_them(shoal, chat, running):
    assert shoal("chat", "model/chat", "be formal").stdout == "one\u2028two\n"


def test_an_answer_that_was_cut_off_is_told_of(shoal, chat, running):
    result = shoal("chat", "model/chat", "ramble")
    assert (result.exit_code, result.stdout) == (0, "on and on\n")
    assert result.stderr.startswith("Warning: the answer is as long as --max-tokens, or ")


def test_a_pipe_gets_an_answer_as_it_is(shoal, chat, running):
    assert shoal("chat", "model/chat", "colour").stdout == "\x1b[31mred\x07\n"


@pytest.mark.parametrize(
    ("message", "printed", "said"),
    [
        ("refuse", "", "404: there is no model 'ghost': there are chat, pirate"),
        ("fail", "The \n", "the model failed"),
        (
            "break off",
            "The capital\n",
            "the connection was lost before the answer was complete: it was closed",
        ),
        ("talk nonsense", "", "expected a chunk of a chat completion, got 42"),
    ],
)
def test_what_goes_wrong_is_said_in_a_sentence(shoal, chat, running, message, printed, said):
    result = shoal("chat", "model/chat", message)
    assert (result.exit_code, result.stdout) == (1, printed)
    assert result.stderr == f"Error from model: {said}\n"


def test_a_connection_that_is_lost_in_an_answer_is_said(shoal, chat, running):
    result = shoal("chat", "model/chat", "break down")
    assert (result.exit_code, result.stdout) == (1, "The capital\n")
    lost = "Error from model: the connection was lost before the answer was complete: peer closed"
    assert result.stderr.startswith(lost)


def test_a_model_that_does_not_answer_is_said(shoal, served, store, running):
    chat = served("chat", task="text-generation", Ready="True/Ready")
    status = chat.status.model_copy(update={"url": "http://127.0.0.1:9/default/chat"})
    store.report(chat.model_copy(update={"status": status}))
    result = shoal("chat", "model/chat", "Hi")
    assert result.exit_code == 1
    assert result.stderr.startswith("Error from model: http://127.0.0.1:9/default/chat: ")


def test_a_model_that_is_not_ready_says_why(shoal, served, running):
    loading = "False/Loading/download 1.0/4.0 MiB"
    served("chat", task="text-generation", Loaded=loading, Ready="False/Loading")
    result = shoal("chat", "model/chat", "Hi")
    assert result.exit_code == 1
    assert result.stderr == ("error: models/chat is not ready: Loading: download 1.0/4.0 MiB\n")


def test_a_model_of_another_task_does_not_chat(shoal, served, running):
    served("echo", Ready="True/Ready")
    result = shoal("chat", "model/echo", "Hi")
    assert result.exit_code == 1
    assert result.stderr == (
        "error: models/echo does not chat: its task is tensor, not text-generation\n"
    )


def test_without_shoal_up_nobody_is_asked(shoal, chat, server):
    result = shoal("chat", "model/chat", "Hi")
    assert result.exit_code == 1
    assert "NotRunning" in result.stderr
    assert server.asked == []


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "error: expected one model/NAME, got nothing"),
        (("fleet/default", "Hi"), "error: expected one model/NAME, got fleet/default"),
        (("model/ghost", "Hi"), 'Error from server (NotFound): models.shoal.dev "ghost"'),
        (("model/chat", " "), "error: the message is empty"),
        (("model/chat",), "error: the message is empty"),
        (("model/chat", "Hi", "--max-tokens", "0"), "error: Invalid value for '--max-tokens'"),
        (("model/chat", "Hi", "--temperature", "-1"), "error: Invalid value for '--temperature'"),
    ],
)
def test_what_makes_no_sense_is_said(shoal, chat, running, words, said):
    result = shoal("chat", *words)
    assert result.exit_code == 1
    assert result.stderr.startswith(said)


def test_what_is_no_text_is_no_message(shoal, chat, running):
    result = shoal("chat", "model/chat", input=b"\xff\xfe")
    assert result.exit_code == 1
    assert result.stderr.startswith("error: standard input is no text: ")
