"""Which Secrets the sources of a Model name. They are in the Model's own namespace."""

from shoal.api.model import Model, Source
from shoal.api.runtime import ModelRevision


def secret_names(model: Model) -> tuple[str, ...]:
    """Of the model itself and of its adapters, each once, by name."""
    spec = model.spec
    return _named(spec.source, *(spec.generation.adapters if spec.generation else ()))


def secrets_of_revision(revision: ModelRevision) -> tuple[str, ...]:
    """The same, of what replicas were told."""
    said = revision.text_generation
    return _named(revision.source, *(said.adapters if said is not None else ()))


def _named(*sources: Source) -> tuple[str, ...]:
    return tuple(sorted({source.secret_name for source in sources if source.secret_name}))
