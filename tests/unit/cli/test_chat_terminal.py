"""`shoal chat` at a terminal: a real one, with a process of its own on it."""

import pytest
from chat_server import PATIENCE_S, chat_server
from terminal import CTRL_D, Terminal, wait_until

LEAVING = "Ctrl-C again, or Ctrl-D, leaves."


def model(message, answer):
    """It says what it is told to say, and no more than that until nobody reads any more."""
    if message == "refuse":
        answer.refuse(503, "the queue is full; try again in 1 s")
        return
    answer.begin()
    if message == "hesitate":
        answer.write(b": not a word yet\n\n")
    else:
        answer.say(*message)
    if message in ("One two", "hesitate"):
        answer.wait_until_nobody_reads()
        return
    answer.end()


@pytest.fixture
def server():
    with chat_server(model) as server:
        yield server


@pytest.fixture
def begin(served, store, home, running, server):
    """Begin to chat at a terminal."""
    chat = served("chat", task="text-generation", Ready="True/Ready")
    status = chat.status.model_copy(update={"url": server.url})
    store.report(chat.model_copy(update={"status": status}))
    terminals = []

    def begin(*options, **pipes):
        words = ["--home", str(home), "chat", "model/chat", *options]
        terminals.append(Terminal(words, **pipes))
        return terminals[-1]

    yield begin
    for terminal in terminals:
        terminal.close()


def test_a_conversation_remembers_what_was_said(begin, server):
    terminal = begin("--system", "Be brief.")
    terminal.see("This is chat. /help tells more, Ctrl-D leaves.")
    terminal.see("> ")
    terminal.type("Hello\n")
    terminal.see("Hello")  # as it was typed
    terminal.see("Hello\r\n> ")
    terminal.type("你好\n")
    terminal.see("你好\r\n你好\r\n> ")
    assert server.messages == [
        ("system", "Be brief."),
        ("user", "Hello"),
        ("assistant", "Hello"),
        ("user", "你好"),
    ]
    terminal.type(CTRL_D)
    assert terminal.code() == 0


def test_ctrl_c_stops_the_answer_and_what_was_said_stays(begin, server):
    terminal = begin()
    terminal.see("> ")
    terminal.type("One two\n")
    terminal.see("One two\r\n")
    terminal.see("One two")
    terminal.interrupt()
    terminal.see("\n> ")
    assert server.stopped.wait(PATIENCE_S)
    terminal.type("three\n")
    terminal.see("three\r\nthree\r\n> ")
    said = [("user", "One two"), ("assistant", "One two"), ("user", "three")]
    assert server.messages == said
    assert LEAVING not in terminal.screen


def test_ctrl_c_before_the_first_word_takes_the_message_back(begin, server):
    terminal = begin()
    terminal.see("> ")
    terminal.type("hesitate\n")
    terminal.see("hesitate\r\n")
    wait_until(lambda: server.asked)
    terminal.interrupt()
    terminal.see("> ")
    assert server.stopped.wait(PATIENCE_S)
    terminal.type("three\n")
    terminal.see("three\r\nthree\r\n> ")
    assert server.messages == [("user", "three")]


def test_ctrl_c_at_the_prompt_clears_the_line_and_then_leaves(begin, server):
    terminal = begin()
    terminal.see("> ")
    terminal.type("nonsense")
    terminal.see("nonsense")
    terminal.interrupt()
    terminal.see(f"{LEAVING}\r\n> ")
    terminal.type("sense\n")
    terminal.see("sense\r\nsense\r\n> ")
    assert server.messages == [("user", "sense")]
    terminal.interrupt()
    terminal.see(f"{LEAVING}\r\n> ")
    terminal.interrupt()
    assert terminal.code() == 0


def test_commands_change_the_conversation(begin, server):
    terminal = begin()
    terminal.see("> ")
    for line, messages in (
        ("one", [("user", "one")]),
        ("/system Be kind.", None),
        ("two", [("system", "Be kind."), ("user", "one"), ("assistant", "one"), ("user", "two")]),
        ("/clear", None),
        ("three", [("system", "Be kind."), ("user", "three")]),
        ("/system", None),
        ("/clear", None),
        ("four", [("user", "four")]),
    ):
        terminal.type(f"{line}\n")
        terminal.see(f"{line}\r\n{line}\r\n> " if messages else f"{line}\r\n> ")
        assert messages is None or server.messages == messages
    terminal.type("/exit\n")
    assert terminal.code() == 0


def test_what_is_no_command_is_told_the_commands(begin, server):
    terminal = begin()
    terminal.see("> ")
    terminal.type("/etc/passwd\n")
    terminal.see("There is no command /etc/passwd. There are:\r\n/clear")
    terminal.see("> ")
    terminal.type(" /etc/passwd\n")
    terminal.see("/etc/passwd\r\n/etc/passwd\r\n> ")
    assert server.messages == [("user", "/etc/passwd")]


def test_a_line_may_go_on_in_the_next_and_an_empty_one_is_no_message(begin, server):
    terminal = begin()
    terminal.see("> ")
    terminal.type("\n")
    terminal.see("> ")
    terminal.type("first\\\n")
    terminal.see("... ")
    terminal.type("second\n")
    terminal.see("first\r\nsecond\r\n> ")
    assert len(server.asked) == 1
    assert server.messages == [("user", "first\nsecond")]


def test_a_refusal_is_said_and_its_message_was_not(begin, server):
    terminal = begin()
    terminal.see("> ")
    terminal.type("refuse\n")
    terminal.see("Error from model: 503: the queue is full; try again in 1 s\r\n> ")
    terminal.type("more\n")
    terminal.see("more\r\nmore\r\n> ")
    assert server.messages == [("user", "more")]


def test_the_terminal_is_not_told_what_to_do_by_the_model(begin):
    terminal = begin("\x1b]0;title\x07red")
    terminal.see("\ufffd]0;title\ufffdred\r\n")
    assert terminal.code() == 0


def test_answers_go_to_a_file_without_the_prompts(begin, tmp_path):
    with (tmp_path / "answers").open("wb") as answers:
        terminal = begin(stdout=answers)
    terminal.see("> ")
    terminal.type("Hello\n")
    terminal.see("Hello\r\n> ")
    terminal.type(CTRL_D)
    assert terminal.code() == 0
    assert (tmp_path / "answers").read_text() == "Hello\n"


def test_one_message_is_interrupted_as_any_command_is(begin, server):
    terminal = begin("One two")
    terminal.see("One two")
    terminal.interrupt()
    assert terminal.code() == 130
    assert server.stopped.wait(PATIENCE_S)
