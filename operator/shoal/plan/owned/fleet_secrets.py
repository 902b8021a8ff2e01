"""The Fleet's two Secrets: Ray's token, and the credentials of its Models' sources."""

import base64
from collections.abc import Mapping

from shoal.api import Fleet, Model, Reason
from shoal.api.labels import CREATE_ONLY
from shoal.api.source_secrets import secret_names
from shoal.plan.observed import ObservedFleet
from shoal.plan.owned.manifest import Manifest
from shoal.plan.owned.names import credentials_name, token_name
from shoal.plan.placement import served_models

CREDENTIAL_KEYS = ("token", "username", "password")
"""What a source's credentials are made of; nothing else of a Secret is copied."""


def token_secret(fleet: Fleet, fresh_token: str) -> Manifest:
    """Ray's token, which outlives every Ray cluster of the Fleet."""
    data = {"auth_token": base64.b64encode(fresh_token.encode()).decode()}
    return _secret(token_name(fleet), data, {CREATE_ONLY: "true"})


def credentials_secret(observed: ObservedFleet) -> Manifest:
    """What the sources of the Models that are served ask for, each key once:
    `<namespace>.<secret>.<key>`. A Secret that cannot be read is left out: its Model says so.
    """
    data: dict[str, str] = {}
    for model in served_models(observed):
        data |= _credentials(observed, model)
    return _secret(credentials_name(observed.fleet), dict(sorted(data.items())), {})


def _credentials(observed: ObservedFleet, model: Model) -> dict[str, str]:
    namespace = model.metadata.namespace or ""
    found = {name: observed.secrets.get((namespace, name)) for name in secret_names(model)}
    return {
        f"{namespace}.{name}.{key}": data[key]
        for name, data in found.items()
        if data is not None and not isinstance(data, Reason)
        for key in CREDENTIAL_KEYS
        if key in data
    }


def _secret(name: str, data: Mapping[str, str], annotations: Mapping[str, str]) -> Manifest:
    return Manifest("v1", "Secret", name, {"type": "Opaque", "data": dict(data)}, annotations)
