"""What Ray Serve was last told, read back from the RayService: the plan's only memory.

A configuration that Shoal did not write tells nothing, and so is overwritten.
"""

import json
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from shoal.api import ModelConfig, ModelsConfig


def told_model(serve_config: str, application: str, key: str) -> ModelConfig | None:
    """What an application's replicas were last told of a model, by its `namespace/name`."""
    try:
        user_config = _applications(serve_config)[application]["deployments"][0]["user_config"]
        return ModelsConfig.model_validate(user_config).models.get(key)
    except (LookupError, TypeError, ValueError):
        return None


def told_attempt(serve_config: str, application: str) -> int:
    """How often an application was made to try again."""
    try:
        return int(_applications(serve_config)[application]["args"]["attempt"])
    except (LookupError, TypeError, ValueError):
        return 0


def told_applications(serve_config: str) -> frozenset[str]:
    """The names of all applications."""
    return frozenset(_applications(serve_config))


@lru_cache(maxsize=16)  # Every Model of a Fleet asks about the same text.
def _applications(serve_config: str) -> Mapping[str, Any]:
    try:
        listed = json.loads(serve_config)["applications"]
        return {application["name"]: application for application in listed}
    except (LookupError, TypeError, ValueError):
        return {}
