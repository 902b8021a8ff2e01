"""What is wrong with a kubeconfig that cannot be used, whichever half of the client reads it."""

import ssl
from pathlib import Path

import yaml

from shoal.errors import WorldUnavailable

MALFORMED = (yaml.YAMLError, OSError, ValueError, TypeError)
"""What reading one raises beside the client's own `ConfigException`."""


def unusable(where: Path | str, error: Exception) -> WorldUnavailable:
    """The error that names the file and what is wrong with it."""
    why = str(error)
    if isinstance(error, ssl.SSLError):
        why = f"the certificates that it names cannot be read ({error.reason or error})"
    return WorldUnavailable(f"{where} does not say how to reach Kubernetes: {why}")
