"""A Fleet's models as a Ray Serve configuration (`ServeDeploySchema`).

What is here changes nothing when nothing changed: applications are in a stable order, and a field
moves only if its cause moved. See Ray Serve's REST schema for the fields.
"""

import math
from datetime import datetime
from typing import Any

from shoal.api import Model, ModelsConfig, ReplicaConfig
from shoal.api.runtime import (
    DEPLOYMENT,
    IMPORT_PATH,
    LEDGER_APPLICATION,
    LEDGER_IMPORT_PATH,
    LEDGER_PREFIX,
)
from shoal.plan.observed import ObservedFleet, ObservedModel, application_of, key_of
from shoal.plan.placement import served_models
from shoal.plan.revisions import model_config
from shoal.plan.told import told_attempt, told_model

# Longer than any request may take: what a stopping replica took is finished.
DRAIN_S = 120
# The queue that bounds requests is the replica's own; Serve's must never be the smaller one.
ONGOING_REQUESTS = 100_000
RETRY_FIRST_S, RETRY_MOST_S = 10.0, 300.0


def serve_config(observed: ObservedFleet, now: datetime) -> dict[str, Any]:
    """The whole configuration of the Fleet's Ray Serve."""
    applications = [
        _application(ObservedModel(model, observed), now) for model in served_models(observed)
    ]
    return {
        "proxy_location": "EveryNode",
        "http_options": {"host": observed.site.host, "port": observed.site.port},
        # At INFO, Ray Serve makes a log record for each request, and only then drops it.
        "logging_config": {"enable_access_log": False, "log_level": "WARNING"},
        "applications": [_ledger_application(), *applications],
    }


def _ledger_application() -> dict[str, Any]:
    return {
        "name": LEDGER_APPLICATION,
        "route_prefix": LEDGER_PREFIX,
        "import_path": LEDGER_IMPORT_PATH,
        "args": {},
    }


def _application(observed: ObservedModel, now: datetime) -> dict[str, Any]:
    assert observed.fleet is not None
    model, name = observed.model, application_of(observed.model)
    service = observed.fleet.ray_service
    before = service.spec.serve_config if service is not None else ""
    config = model_config(observed, told_model(before, name, key_of(model)))
    return {
        "name": name,
        "route_prefix": f"/{key_of(model)}",
        "import_path": IMPORT_PATH,
        "args": _replica_config(observed, _attempt(observed, before, now)),
        "deployments": [_deployment(model, ModelsConfig(models={config.key: config}))],
    }


def _replica_config(observed: ObservedModel, attempt: int) -> dict[str, Any]:
    assert observed.fleet is not None
    resources = observed.model.spec.resources
    network = observed.fleet.fleet.spec.network
    config = ReplicaConfig(
        fleet=observed.fleet.fleet.metadata.name,
        threads=max(1, math.ceil(resources.cpu.value)),
        memory=int(resources.memory.value) if resources.memory else None,
        max_body_bytes=int(network.max_body_size.value),
        access_log=network.access_log,
        attempt=attempt,
    )
    return config.model_dump(mode="json")


def _deployment(model: Model, models: ModelsConfig) -> dict[str, Any]:
    resources = model.spec.resources
    options: dict[str, Any] = {"num_cpus": float(resources.cpu.value)}
    if resources.memory:
        options["memory"] = int(resources.memory.value)
    return {
        "name": DEPLOYMENT,
        "num_replicas": model.spec.least_replicas,
        "max_ongoing_requests": ONGOING_REQUESTS,
        "max_surge_percent": 100,
        "graceful_shutdown_timeout_s": DRAIN_S,
        "health_check_period_s": 5,
        "health_check_timeout_s": 30,
        "ray_actor_options": options,
        "user_config": models.model_dump(mode="json", exclude_none=True),
    }


def _attempt(observed: ObservedModel, before: str, now: datetime) -> int:
    """Ray Serve gives up on an application whose replicas do not start, and takes the same
    configuration for no change; a higher number makes it try again.
    """
    attempt = told_attempt(before, application_of(observed.model))
    failure = observed.known_failure
    if observed.application.status != "DEPLOY_FAILED" or failure is None or not failure.retriable:
        return attempt
    wait = min(RETRY_MOST_S, RETRY_FIRST_S * 2 ** min(attempt, 8))
    return attempt + 1 if (now - failure.time).total_seconds() >= wait else attempt
