"""`shoal chat`: talk with a model that generates text."""

import sys
from collections.abc import Sequence
from typing import Any

import click

from shoal.api import Model, Task
from shoal.cli.asking import address_of, model_of
from shoal.cli.command import Command
from shoal.cli.completions import complete
from shoal.cli.conversation import Conversation
from shoal.cli.kinds import model_target_of
from shoal.cli.naming import resources_argument
from shoal.cli.prompting import converse
from shoal.cli.scope import Scope, pass_scope, scoped
from shoal.cli.world import World

# A long prompt on a slow machine is read for a while before anything is said.
_PATIENCE_S = 300.0
_EXAMPLE = """\
shoal chat model/chat
shoal chat model/chat "What is the capital of France?"
shoal chat model/chat --system "Answer in one word." < question.txt
"""


@click.command(cls=Command, example=_EXAMPLE)
@resources_argument("model/NAME [MESSAGE]")
@click.option("--system", default="", help="How the model is to answer.")
@click.option("--adapter", help="The adapter that is to answer, by its name.")
@click.option("--temperature", type=click.FloatRange(min=0), help="0 takes the likeliest words.")
@click.option("--max-tokens", type=click.IntRange(min=1), help="The most tokens of an answer.")
@scoped
@pass_scope
def chat(
    scope: Scope,
    what: tuple[str, ...],
    system: str,
    adapter: str | None,
    temperature: float | None,
    max_tokens: int | None,
) -> None:
    """Talk with a model.

    With a MESSAGE, or with one on standard input, the answer is printed and nothing else. On a
    terminal a conversation begins; /help tells how to go on.
    """
    words = 1 if "/" in "".join(what[:1]) else 2
    world = World(scope)
    model = _that_generates_text(model_of(world, model_target_of(what[:words])))
    address, patience = address_of(world, model), model.spec.batching.timeout.seconds + _PATIENCE_S
    options = {"temperature": temperature, "max_tokens": max_tokens}
    request: dict[str, Any] = {"model": adapter or model.metadata.name}
    request |= {name: value for name, value in options.items() if value is not None}
    conversation = Conversation(
        lambda messages: complete(address, {**request, "messages": messages}, patience), system
    )
    message = _message(what[words:])
    if message is None:
        click.echo(f"This is {request['model']}. /help tells more, Ctrl-D leaves.", err=True)
        converse(conversation)
    else:
        conversation.send(message)


def _that_generates_text(model: Model) -> Model:
    if model.spec.task is not Task.TEXT_GENERATION:
        raise click.ClickException(
            f"models/{model.metadata.name} does not chat: its task is {model.spec.task}, not "
            f"{Task.TEXT_GENERATION}"
        )
    return model


def _message(words: Sequence[str]) -> str | None:
    """What was typed behind the model, or else came on standard input; None on a terminal."""
    if not words and sys.stdin.isatty():
        return None
    message = " ".join(words) if words else _piped()
    if not message.strip():
        raise click.UsageError("the message is empty", click.get_current_context())
    return message


def _piped() -> str:
    try:
        return sys.stdin.read().strip()
    except UnicodeDecodeError as error:
        raise click.ClickException(f"standard input is no text: {error}") from error
