"""`shoal infer`: one request to one model, and its answer."""

import json
import sys
from pathlib import Path
from typing import Any

import click
import httpx

from shoal.api import ConditionType, Model
from shoal.cli.command import Command
from shoal.cli.kinds import Target, model_target_of
from shoal.cli.naming import resources_argument
from shoal.cli.objects import as_json
from shoal.cli.progress import blocker
from shoal.cli.scope import Scope, pass_scope, scoped
from shoal.cli.tables import condition
from shoal.cli.world import World
from shoal.errors import InferenceFailed, WorldUnavailable

_MARGIN_S = 5.0
_EXAMPLE = """\
shoal infer model/alarm-triage --text "Link down on port 3"
shoal infer model/ops-qa --text "Who is on call?" --context "Ada is on call today."
"""


@click.command(cls=Command, example=_EXAMPLE)
@resources_argument("model/NAME")
@click.option("--text", help="A text; a question, if there is a --context.")
@click.option("--context", help="The text in which to look for the answer to --text.")
@click.option("--json", "body", help="A request: JSON, @FILE, or - for standard input.")
@scoped
@pass_scope
def infer(
    scope: Scope, what: tuple[str, ...], text: str | None, context: str | None, body: str | None
) -> None:
    """Ask a model, and print its answer as JSON.

    --text sends {"inputs": TEXT}. --json sends what it is given: a request of the Open Inference
    Protocol (its inputs are a list of tensors) or of the model's own task.
    """
    target = model_target_of(what)
    request = _request(text, context, body)
    click.echo(as_json(_ask(_model(World(scope), target), request)), nl=False)


def _request(text: str | None, context: str | None, body: str | None) -> Any:
    if (text is None) == (body is None) or (context is not None and text is None):
        problem = "expected either --text (and --context) or --json"
        raise click.UsageError(problem, click.get_current_context())
    if body is not None:
        return _read_json(body)
    return {"inputs": text if context is None else {"question": text, "context": context}}


def _read_json(body: str) -> Any:
    if body == "-":
        body = sys.stdin.read()
    elif body.startswith("@"):
        body = Path(body[1:]).read_text(encoding="utf-8")
    try:
        return json.loads(body)
    except ValueError as error:
        raise click.ClickException(f"--json is no JSON: {error}") from error


def _model(world: World, target: Target) -> Model:
    model = world.get(target.kind, str(target.name))
    assert isinstance(model, Model)
    ready = condition(model, ConditionType.READY)
    if model.status.url is None or ready is None or ready.status != "True":
        blocking = blocker(model)
        why = f"{blocking.reason}: {blocking.message}" if blocking else "it was not looked at yet."
        raise WorldUnavailable(f"models/{target.name} is not ready: {why}")
    return model


def _ask(model: Model, request: Any) -> Any:
    url = model.status.url or ""
    if _is_tensors(request):
        url += f"/v2/models/{model.metadata.name}/infer"
    timeout = model.spec.batching.timeout.seconds + _MARGIN_S
    try:
        response = httpx.post(url, json=request, timeout=timeout, trust_env=False)
    except httpx.HTTPError as error:
        raise InferenceFailed(f"{url}: {error or type(error).__name__}") from error
    if response.is_error:
        raise InferenceFailed(f"{response.status_code}: {_problem(response)}")
    return _answer(response)


def _is_tensors(request: Any) -> bool:
    inputs = request.get("inputs") if isinstance(request, dict) else None
    return isinstance(inputs, list) and any(
        isinstance(tensor, dict) and "datatype" in tensor for tensor in inputs
    )


def _problem(response: httpx.Response) -> str:
    """The sentence of any of the protocols' errors: a text, or an object with a `message`."""
    answer = _answer(response)
    error = answer.get("error", answer) if isinstance(answer, dict) else answer
    return str(error.get("message", error) if isinstance(error, dict) else error)


def _answer(response: httpx.Response) -> Any:
    try:
        return response.json()
    except ValueError:
        return response.text.strip()
