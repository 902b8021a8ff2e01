"""`/v1/models`: the model of this address, and its adapters."""

from typing import Any

from shoal_serving.http.generating import generates, generative
from shoal_serving.http.message import Request, Response
from shoal_serving.http.openai.asked import unknown
from shoal_serving.model import LoadedModel


async def models(request: Request, revision: str | None) -> Response:
    return Response.json({"object": "list", "data": list(_entries(request.serving).values())})


async def model(request: Request, revision: str | None) -> Response:
    entries = _entries(request.serving)
    asked = request.path.removeprefix("v1/models/").rstrip("/")
    if asked not in entries:
        raise unknown(asked, list(entries))
    return Response.json(entries[asked])


def _entries(model: LoadedModel) -> dict[str, dict[str, Any]]:
    """Entries by their ids; what an adapter belongs to and the context are in vLLM's words."""
    entry = {
        "id": model.name,
        "object": "model",
        "created": int(model.loaded),
        "owned_by": "shoal",
    }
    if not generates(model):
        return {model.name: entry}
    generator = generative(model)
    entry |= {"root": model.name, "parent": None, "max_model_len": generator.context}
    adapters = {name: {**entry, "id": name, "parent": model.name} for name in generator.adapters}
    return {model.name: entry, **adapters}
