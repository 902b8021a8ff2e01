"""What is used of the Secrets that the sources of Models name."""

from collections.abc import Mapping

CREDENTIAL_KEYS = ("token", "username", "password")
"""What a source's credentials are made of; nothing else of a Secret is copied."""

# The credentials of all Models of a Fleet are one Secret, which Kubernetes lets have 1 MiB.
MOST_BYTES = 16 * 1024


def credentials(data: Mapping[str, str]) -> dict[str, str]:
    """What of a Secret's data (base64) is copied; nothing that is too large."""
    return {key: data[key] for key in CREDENTIAL_KEYS if key in data and not _is_large(data[key])}


def too_large(data: Mapping[str, str]) -> list[str]:
    """The keys whose values should be copied, and are not."""
    return [key for key in CREDENTIAL_KEYS if key in data and _is_large(data[key])]


def _is_large(value: str) -> bool:
    return len(value) * 3 // 4 > MOST_BYTES
