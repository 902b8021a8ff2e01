"""Which model, or which of its adapters, the `model` of a request names."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from shoal.errors import InvalidRequest, ModelNotFound
from shoal_serving.http.generating import GenerativeModel, generative
from shoal_serving.http.message import Request
from shoal_serving.http.oip.wording import quoted_all, shown
from shoal_serving.model import LoadedModel

# `huggingface_hub` sends this as the model where it was given a URL instead of a name.
_NAMELESS = "dummy"


@dataclass(frozen=True, slots=True)
class Asked:
    """A model that generates, by the name that answers repeat, and the adapter that this means."""

    model: GenerativeModel
    name: str
    adapter: str | None


def asked_for(request: Request, body: Mapping[str, Any]) -> LoadedModel:
    """The model, which a request names by its name or its revision, or not at all.

    Raises:
        ModelNotFound: it names another.
    """
    model = request.serving
    asked = body.get("model")
    if asked not in (None, model.name, model.revision):
        raise unknown(asked, [model.name])
    return model


def asked_to_generate(request: Request, body: Mapping[str, Any]) -> Asked:
    """The model, or one of its adapters.

    Raises:
        ModelNotFound: the request names another.
        InvalidRequest: the model does not generate.
    """
    model = generative(request.serving)
    asked = body.get("model")
    if asked in (None, model.name, model.revision):
        return Asked(model, model.name, None)
    if isinstance(asked, str) and asked in model.adapters:
        return Asked(model, asked, asked)
    if asked == _NAMELESS:
        return Asked(model, model.name, None)
    raise unknown(asked, [model.name, *model.adapters])


def unknown(asked: Any, served: list[str]) -> ModelNotFound:
    """The error for a name that means nothing here."""
    name = repr(asked) if isinstance(asked, str) else shown(asked)
    here = quoted_all(served)
    return ModelNotFound(
        f"model {name} is not here; this address serves {here}", "model", "model_not_found"
    )


def wrong_task(model: LoadedModel, needed: str) -> InvalidRequest:
    """The error for a model that does something else."""
    return InvalidRequest(
        f"{model.name} does {model.config.task.value}; this call needs a {needed} model", "model"
    )
