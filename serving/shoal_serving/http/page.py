"""What a person sees who opens a model's base URL."""

import json
import shlex
from typing import Any

from shoal.api.tensors import TensorSpec
from shoal_serving.http.generating import GenerativeModel, generates, generative
from shoal_serving.http.message import Request, Response
from shoal_serving.model import LoadedModel


async def describe(request: Request, revision: str | None) -> Response:
    """A short page: task, revision, inputs, outputs, links and one curl line that works."""
    model = request.serving
    base = f"http://{request.host}/{request.model.key}"
    page: dict[str, Any] = {
        "name": model.name,
        "task": model.config.task.value,
        "revision": model.revision,
        "inputs": [_described(spec) for spec in model.inputs],
        "outputs": [_described(spec) for spec in model.outputs],
        "links": _links(base, model),
        "curl": curl(base, model),
    }
    return Response.json(page)


def _described(spec: TensorSpec) -> dict[str, Any]:
    return spec.model_dump(mode="json", exclude_defaults=True)


def curl(base: str, model: LoadedModel) -> str:
    """A line to paste: the model's own sample, or zeros; too many of them, and it only looks."""
    if generates(model):
        return _generation_line(base, generative(model))
    request = model.proof.request
    if request is None:
        return f"{_CURL} {shlex.quote(f'{base}/v2/models/{model.name}')}"
    texts = {
        tensor["name"]: tensor["data"][0]
        for tensor in request["inputs"]
        if tensor["datatype"] == "BYTES" and tensor["shape"] == [1]
    }
    if model.config.task.value in ("text-classification", "feature-extraction") and texts:
        return _line(base, {"inputs": texts["text"]})
    if model.config.task.value == "question-answering" and texts:
        return _line(base, {"inputs": texts})
    return _line(f"{base}/v2/models/{model.name}/infer", request)


def _generation_line(base: str, model: GenerativeModel) -> str:
    """As it comes: -N shows what is there at once."""
    asked: dict[str, Any] = {"model": model.name, "stream": True}
    if model.template is None:
        return _line(f"{base}/v1/completions", {**asked, "prompt": "Hello"}, "-N")
    messages = [{"role": "user", "content": "Hello!"}]
    return _line(f"{base}/v1/chat/completions", {**asked, "messages": messages}, "-N")


# An answer has no newline of its own, and a terminal wants one.
_CURL = r"curl -s -w '\n'"


def _line(url: str, body: dict[str, Any], *options: str) -> str:
    text = shlex.quote(json.dumps(body, ensure_ascii=False))
    words = [_CURL, *options, shlex.quote(url), "-H 'content-type: application/json' -d", text]
    return " ".join(words)


def _links(base: str, model: LoadedModel) -> dict[str, str]:
    return {
        "infer": f"{base}/v2/models/{model.name}/infer",
        "metadata": f"{base}/v2/models/{model.name}",
        "statistics": f"{base}/v2/models/{model.name}/stats",
        "openai": f"{base}/v1",
    }
