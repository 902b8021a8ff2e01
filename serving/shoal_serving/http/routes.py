"""Which handler answers which address below a model's base URL. The tables are the whole truth."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache

from shoal.errors import AdministrationRefused, MethodNotAllowed, ModelNotFound
from shoal_serving.http import generate, huggingface, inference, page
from shoal_serving.http.message import Request, Response
from shoal_serving.http.openai import (
    chat,
    completions,
    embeddings,
    models,
    rerank,
    tokenization,
)
from shoal_serving.http.streaming import StreamedResponse

Answer = Response | StreamedResponse
Handler = Callable[[Request, str | None], Awaitable[Answer]]


@dataclass(frozen=True, slots=True)
class Route:
    """A handler; `counted` marks inferences, `revision` is the one that the address names."""

    handler: Handler
    counted: bool = False
    revision: str | None = None


ADDRESSES: Mapping[str, Mapping[str, Route]] = {
    "": {"GET": Route(page.describe), "POST": Route(huggingface.answer, counted=True)},
    "v2": {"GET": Route(inference.server_metadata)},
    "v2/health/live": {"GET": Route(inference.live)},
    "v2/health/ready": {"GET": Route(inference.ready)},
    "v2/models/stats": {"GET": Route(inference.statistics)},
    "v2/repository/index": {"POST": Route(inference.index)},
    "v1/models": {"GET": Route(models.models)},
    "v1/models/*": {"GET": Route(models.model)},  # the Model's name, or an adapter's
    "v1/chat/completions": {"POST": Route(chat.chat, counted=True)},
    "v1/completions": {"POST": Route(completions.completions, counted=True)},
    "v1/embeddings": {"POST": Route(embeddings.embeddings, counted=True)},
    "v1/rerank": {"POST": Route(rerank.rerank, counted=True)},
    "rerank": {"POST": Route(rerank.rerank, counted=True)},
    "tokenize": {"POST": Route(tokenization.tokenize)},
    "detokenize": {"POST": Route(tokenization.detokenize)},
}

# Behind v2/models/<name>[/versions/<revision>]
MODEL_ADDRESSES: Mapping[str, Mapping[str, Route]] = {
    "": {"GET": Route(inference.model_metadata)},
    "ready": {"GET": Route(inference.ready)},
    "infer": {"POST": Route(inference.infer, counted=True)},
    "generate": {"POST": Route(generate.generate, counted=True)},
    "generate_stream": {"POST": Route(generate.generate_stream, counted=True)},
    "config": {"GET": Route(inference.config)},
    "stats": {"GET": Route(inference.statistics)},
}

ADMINISTRATION = (
    "v2/repository/models/",
    "v2/systemsharedmemory",
    "v2/cudasharedmemory",
    "v2/trace/",
    "v2/logging",
)


@lru_cache(maxsize=1024)
def find_route(method: str, path: str, name: str) -> Route:
    """The route of an address below the base URL of the model `name`.

    Raises:
        ModelNotFound: there is no such address, or it names another model.
        MethodNotAllowed: there is, for another method.
        AdministrationRefused: it is Triton's administration.
    """
    address = path.rstrip("/")
    if address.startswith(ADMINISTRATION) or address.endswith("/trace/setting"):
        raise AdministrationRefused(
            f"/{address} is administration, which only the Model's resource may do: "
            "edit it with `kubectl` or `shoal apply`"
        )
    if address.startswith("v2/models/") and address not in ADDRESSES:
        return _model_route(method, address, name)
    if address.startswith("v1/models/"):
        address = "v1/models/*"
    return _pick(ADDRESSES.get(address), method, address)


def _model_route(method: str, address: str, name: str) -> Route:
    model, _, action = address.removeprefix("v2/models/").partition("/")
    if model != name:
        raise ModelNotFound(f"model {model!r} is not here; this address serves {name!r}")
    revision = None
    if action.startswith("versions/"):
        revision, _, action = action.removeprefix("versions/").partition("/")
    route = _pick(MODEL_ADDRESSES.get(action), method, address)
    return Route(route.handler, route.counted, revision)


def _pick(methods: Mapping[str, Route] | None, method: str, address: str) -> Route:
    if methods is None:
        raise ModelNotFound(f"there is nothing at /{address}; GET the base URL for what there is")
    # The server leaves the body out of what it sends (RFC 9110, section 9.3.2).
    wanted = "GET" if method == "HEAD" else method
    if wanted not in methods:
        allowed = tuple(methods)
        raise MethodNotAllowed(f"/{address} takes {', '.join(allowed)}, not {method}", allowed)
    return methods[wanted]
