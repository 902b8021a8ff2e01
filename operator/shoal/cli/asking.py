"""For commands that ask a model: where it answers, and what is wrong when it does not."""

from typing import Any, NamedTuple

import click
import httpx

from shoal.api import ConditionType, Model
from shoal.cli.kinds import Target
from shoal.cli.progress import blocker
from shoal.cli.tables import condition
from shoal.cli.world import World
from shoal.errors import WorldUnavailable


def model_of(world: World, target: Target) -> Model:
    """The Model.

    Raises:
        ResourceNotFound: there is none of that name in the namespace.
    """
    model = world.get(target.kind, str(target.name))
    assert isinstance(model, Model)
    return model


def url_of(model: Model) -> str:
    """Where the Model answers.

    Raises:
        WorldUnavailable: it is not ready; the message says why.
    """
    ready = condition(model, ConditionType.READY)
    if model.status.url is not None and ready is not None and ready.status == "True":
        return model.status.url
    blocking = blocker(model)
    why = f"{blocking.reason}: {blocking.message}" if blocking else "it was not looked at yet."
    raise WorldUnavailable(f"models/{model.metadata.name} is not ready: {why}")


class Address(NamedTuple):
    """A Model's base URL, and the client that reaches it."""

    url: str
    client: httpx.Client


def address_of(world: World, model: Model) -> Address:
    """Where the Model answers. In a cluster the API server carries requests to its Services.

    Raises:
        WorldUnavailable: it is not ready; the message says why.
    """
    url = url_of(model)
    if world.scope.on_cluster:
        remote: Any = world.store
        proxied = remote.proxied(url)
        if proxied is not None:
            return Address(proxied, remote.connection.client)
    client = httpx.Client(trust_env=False)
    click.get_current_context().call_on_close(client.close)
    return Address(url, client)


def problem_of(response: httpx.Response) -> str:
    """The sentence of any of the protocols' errors: a text, or an object with a `message`."""
    answer = answer_of(response)
    return sentence_of(answer.get("error", answer) if isinstance(answer, dict) else answer)


def sentence_of(error: Any) -> str:
    """What an `error` says: itself, or its `message`."""
    return str(error.get("message", error) if isinstance(error, dict) else error)


def answer_of(response: httpx.Response) -> Any:
    """The JSON of an answer, or its text where it is none."""
    try:
        return response.json()
    except ValueError:
        return response.text.strip()
