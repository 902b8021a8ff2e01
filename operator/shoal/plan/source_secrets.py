"""Which Secrets the sources of a Model name, and what of them is used.

They are in the Model's own namespace.
"""

from collections.abc import Mapping

from shoal.api import Model, ModelRevision
from shoal.api.model import Source

CREDENTIAL_KEYS = ("token", "username", "password")
"""What a source's credentials are made of; nothing else of a Secret is copied."""

# The credentials of all Models of a Fleet are one Secret, which Kubernetes lets have 1 MiB.
MOST_BYTES = 16 * 1024


def secret_names(model: Model) -> tuple[str, ...]:
    """Of the model itself and of its adapters, each once, by name."""
    spec = model.spec
    return _named(spec.source, *(spec.generation.adapters if spec.generation else ()))


def secrets_of_revision(revision: ModelRevision) -> tuple[str, ...]:
    """The same, of what replicas were told."""
    said = revision.text_generation
    return _named(revision.source, *(said.adapters if said is not None else ()))


def credentials(data: Mapping[str, str]) -> dict[str, str]:
    """What of a Secret's data (base64) is copied; nothing that is too large."""
    return {key: data[key] for key in CREDENTIAL_KEYS if key in data and not _is_large(data[key])}


def too_large(data: Mapping[str, str]) -> list[str]:
    """The keys whose values should be copied, and are not."""
    return [key for key in CREDENTIAL_KEYS if key in data and _is_large(data[key])]


def _named(*sources: Source) -> tuple[str, ...]:
    return tuple(sorted({source.secret_name for source in sources if source.secret_name}))


def _is_large(value: str) -> bool:
    return len(value) * 3 // 4 > MOST_BYTES
