"""What Ray Serve was last told, read back from the RayService: the plan's only memory.

A configuration that Shoal did not write tells nothing, and so is overwritten.
"""

import json
from collections.abc import Mapping
from datetime import datetime
from functools import cached_property, lru_cache
from typing import Any

from shoal.api import ModelConfig, ModelsConfig
from shoal.api.source_secrets import secrets_of_revision


def told_model(serve_config: str, application: str, key: str) -> ModelConfig | None:
    """What an application's replicas were last told of a model, by its `namespace/name`."""
    told = _applications(serve_config).get(application)
    return told.models.get(key) if told is not None else None


def told_attempt(serve_config: str, application: str) -> int:
    """How often an application was made to try again."""
    told = _applications(serve_config).get(application)
    return told.attempt if told is not None else 0


def told_time(serve_config: str, application: str) -> datetime | None:
    """When an application was last made to try again, if it says so."""
    told = _applications(serve_config).get(application)
    return told.tried if told is not None else None


def told_applications(serve_config: str) -> frozenset[str]:
    """The names of all applications."""
    return frozenset(_applications(serve_config))


def told_application(serve_config: str, name: str) -> Mapping[str, Any] | None:
    """All that was told of one application."""
    told = _applications(serve_config).get(name)
    return told.said if told is not None else None


def told_actor_options(serve_config: str, application: str) -> Mapping[str, Any]:
    """What each replica of an application was told that it has of a worker; Ray's own words."""
    told = _applications(serve_config).get(application)
    return told.actor_options if told is not None else {}


def told_secrets(serve_config: str, application: str) -> frozenset[tuple[str, str]]:
    """Namespace and name of the Secrets that an application's sources name."""
    told = _applications(serve_config).get(application)
    return frozenset(
        (config.namespace, name)
        for config in (told.models.values() if told is not None else ())
        for revision in (config.wanted, config.fallback)
        for name in (secrets_of_revision(revision) if revision is not None else ())
    )


class _Told:
    """One application, of which each part is understood once it is asked for."""

    def __init__(self, said: Mapping[str, Any]) -> None:
        self.said = said

    @cached_property
    def models(self) -> Mapping[str, ModelConfig]:
        try:
            user_config = self.said["deployments"][0]["user_config"]
            return ModelsConfig.model_validate(user_config).models
        except (LookupError, TypeError, ValueError):
            return {}

    @cached_property
    def actor_options(self) -> Mapping[str, Any]:
        try:
            options = self.said["deployments"][0]["ray_actor_options"]
        except (LookupError, TypeError):
            return {}
        return options if isinstance(options, Mapping) else {}

    @cached_property
    def attempt(self) -> int:
        try:
            return int(self.said["args"]["attempt"])
        except (LookupError, TypeError, ValueError):
            return 0

    @cached_property
    def tried(self) -> datetime | None:
        try:
            time = datetime.fromisoformat(self.said["args"]["tried"])
        except (LookupError, TypeError, ValueError):
            return None
        return time if time.tzinfo is not None else None


@lru_cache(maxsize=32)  # Every Model of a Fleet asks about the same text.
def _applications(serve_config: str) -> Mapping[str, _Told]:
    try:
        listed = json.loads(serve_config)["applications"]
        return {application["name"]: _Told(application) for application in listed}
    except (LookupError, TypeError, ValueError):
        return {}
