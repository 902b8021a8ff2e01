"""Which Secrets the sources of a Model name. They are in the Model's own namespace."""

from shoal.api.model import Model


def secret_names(model: Model) -> tuple[str, ...]:
    """Of the model itself and of its adapters, each once, by name."""
    spec = model.spec
    sources = (spec.source, *(spec.generation.adapters if spec.generation else ()))
    return tuple(sorted({source.secret_name for source in sources if source.secret_name}))
