"""The Fleet's two Secrets: Ray's token, and the credentials of its Models' sources."""

import base64
from collections.abc import Mapping, Sequence

from shoal.api import Fleet, Model, Reason
from shoal.api.labels import CREATE_ONLY
from shoal.api.source_secrets import secret_names
from shoal.plan.observed import ObservedFleet
from shoal.plan.owned.manifest import Manifest
from shoal.plan.owned.names import credentials_name, token_name
from shoal.plan.placement import served_models
from shoal.plan.source_secrets import CREDENTIAL_KEYS, credentials
from shoal.plan.told import told_secrets


def token_secret(fleet: Fleet, fresh_token: str) -> Manifest:
    """Ray's token, which outlives every Ray cluster of the Fleet."""
    data = {"auth_token": base64.b64encode(fresh_token.encode()).decode()}
    return _secret(token_name(fleet), data, {CREATE_ONLY: "true"})


def credentials_secret(observed: ObservedFleet) -> Manifest:
    """What the sources of the Models that are served ask for, each key once:
    `<namespace>.<secret>.<key>`. A Secret that is not there is left out: its Model says so.
    """
    served = served_models(observed)
    data = _kept(observed, served)
    for model in served:
        data |= _credentials(observed, model)
    return _secret(credentials_name(observed.fleet), dict(sorted(data.items())), {})


def _credentials(observed: ObservedFleet, model: Model) -> dict[str, str]:
    namespace = model.metadata.namespace or ""
    found = {name: observed.secrets.get((namespace, name)) for name in secret_names(model)}
    return {
        f"{namespace}.{name}.{key}": value
        for name, data in found.items()
        if data is not None and not isinstance(data, Reason)
        for key, value in credentials(data).items()
    }


def _kept(observed: ObservedFleet, served: Sequence[Model]) -> dict[str, str]:
    """What was copied before of Secrets that are not handed out now, and of those that Models name
    which cannot be read: both serve on as they do.
    """
    named = {(m.metadata.namespace or "", name) for m in served for name in secret_names(m)}
    kept = {one for one in named if observed.secrets.get(one) is Reason.SECRET_UNAVAILABLE}
    before = observed.ray_service.spec.serve_config if observed.ray_service is not None else ""
    for application in observed.unreadable:
        kept |= told_secrets(before, application)
    keys = {f"{namespace}.{name}.{key}" for namespace, name in kept for key in CREDENTIAL_KEYS}
    return {key: value for key, value in observed.credentials.items() if key in keys}


def _secret(name: str, data: Mapping[str, str], annotations: Mapping[str, str]) -> Manifest:
    return Manifest("v1", "Secret", name, {"type": "Opaque", "data": dict(data)}, annotations)
