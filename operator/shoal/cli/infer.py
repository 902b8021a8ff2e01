"""`shoal infer`: one request to one model, and its answer."""

import json
import sys
from pathlib import Path
from typing import Any

import click
import httpx

from shoal.api import Model
from shoal.cli.asking import Address, address_of, answer_of, model_of, problem_of
from shoal.cli.command import Command
from shoal.cli.kinds import model_target_of
from shoal.cli.naming import resources_argument
from shoal.cli.objects import as_json
from shoal.cli.scope import Scope, pass_scope, scoped
from shoal.cli.world import World
from shoal.errors import InferenceFailed

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
    world = World(scope)
    model = model_of(world, target)
    click.echo(as_json(_ask(model, address_of(world, model), request)), nl=False)


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


def _ask(model: Model, address: Address, request: Any) -> Any:
    url, client = address
    if _is_tensors(request):
        url += f"/v2/models/{model.metadata.name}/infer"
    timeout = model.spec.batching.timeout.seconds + _MARGIN_S
    try:
        response = client.post(url, json=request, timeout=timeout)
    except httpx.HTTPError as error:
        raise InferenceFailed(f"{url}: {error or type(error).__name__}") from error
    if response.is_error:
        raise InferenceFailed(f"{response.status_code}: {problem_of(response)}")
    return answer_of(response)


def _is_tensors(request: Any) -> bool:
    inputs = request.get("inputs") if isinstance(request, dict) else None
    return isinstance(inputs, list) and any(
        isinstance(tensor, dict) and "datatype" in tensor for tensor in inputs
    )
