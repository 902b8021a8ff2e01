"""A person at a terminal, talking with a model: the prompt, the commands, and Ctrl-C."""

import importlib
import sys
from contextlib import suppress

import click

from shoal.cli.conversation import Conversation
from shoal.cli.exits import say
from shoal.errors import ShoalError

_PROMPT, _MORE = "> ", "... "
_HELP = """\
/clear         forget what was said
/system TEXT   tell the model how to answer; without a TEXT, no longer
/exit          leave, as Ctrl-D does
A line that ends with \\ goes on in the next. Ctrl-C stops an answer, or clears the line.
A space before a / makes it a message."""


def converse(conversation: Conversation) -> None:
    """Ask for messages until the person leaves: by Ctrl-D, /exit, or Ctrl-C twice in a row."""
    _edit_lines()
    interrupted = False
    while True:
        try:
            if not _turn(conversation):
                return
            interrupted = False
        except KeyboardInterrupt:
            click.echo(err=True)
            if interrupted:
                return
            interrupted = True
            click.echo("Ctrl-C again, or Ctrl-D, leaves.", err=True)


def _edit_lines() -> None:
    """Let `input` edit lines and remember them, where Python was built with readline."""
    with suppress(ImportError):
        readline = importlib.import_module("readline")
        readline.set_completer(lambda *_: None)  # By default Tab lists the folder's files.


def _turn(conversation: Conversation) -> bool:
    """One message and its answer, or one command; False if it is to leave."""
    try:
        text = _read()
    except EOFError:
        click.echo(err=True)
        return False
    if text.startswith("/"):
        return _obey(conversation, text)
    if text.strip():
        _send(conversation, text.strip())
    return True


def _send(conversation: Conversation, text: str) -> None:
    try:
        with suppress(KeyboardInterrupt):  # Enough was said.
            conversation.send(text)
    except ShoalError as error:
        say(error)


def _obey(conversation: Conversation, text: str) -> bool:
    command, _, rest = text.partition(" ")
    if command == "/clear":
        conversation.forget()
    elif command == "/system":
        conversation.system = rest.strip()
    elif command != "/exit":
        unknown = "" if command == "/help" else f"There is no command {command}. There are:\n"
        click.echo(unknown + _HELP, err=True)
    return command != "/exit"


def _read() -> str:
    lines = [_line(_PROMPT)]
    while lines[-1].endswith("\\"):
        lines[-1] = lines[-1].removesuffix("\\")
        lines.append(_line(_MORE))
    return "\n".join(lines)


def _line(prompt: str) -> str:
    """A line that was typed; the prompt is no part of what goes to a file."""
    if sys.stdout.isatty():
        return input(prompt)
    click.echo(prompt, nl=False, err=True)
    return input()
