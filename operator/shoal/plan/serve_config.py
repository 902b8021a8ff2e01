"""A Fleet's models as a Ray Serve configuration (`ServeDeploySchema`).

What is here changes nothing when nothing changed: applications are in a stable order, and a field
moves only if its cause moved. See Ray Serve's REST schema for the fields.
"""

import math
from datetime import datetime
from typing import Any

from shoal.api import Model, ModelsConfig, ReplicaConfig, Rollout
from shoal.api.rayservice import ApplicationStatus
from shoal.api.runtime import (
    DEPLOYMENT,
    DOOR_DEPLOYMENT,
    DOOR_IMPORT_PATH,
    IMPORT_PATH,
    LEDGER_APPLICATION,
    LEDGER_IMPORT_PATH,
    LEDGER_PREFIX,
    door_application,
)
from shoal.plan.doors import doors
from shoal.plan.fitting import Place
from shoal.plan.held_back import is_held_back
from shoal.plan.observed import DEPLOY_FAILED, ObservedFleet, ObservedModel, application_of, key_of
from shoal.plan.placement import placed_models
from shoal.plan.ray_cluster.offers import pool_resource
from shoal.plan.ray_states import is_building
from shoal.plan.revisions import model_config
from shoal.plan.scaling import fewest_replicas
from shoal.plan.told import told_application, told_attempt, told_time

# Longer than any request may take: what a stopping replica took is finished.
DRAIN_S = 120
# The queue that bounds requests is the replica's own; Serve's must never be the smaller one.
ONGOING_REQUESTS = 100_000
# A burst is answered by more replicas soon, but not every peak of a second is one.
UPSCALE_DELAY_S = 2.0
# Of their pool's own resource workers have plenty: this only says where a replica may run.
POOL_PART = 0.001
RETRY_FIRST_S, RETRY_MOST_S = 10.0, 300.0


def serve_config(observed: ObservedFleet, now: datetime) -> dict[str, Any]:
    """The whole configuration of the Fleet's Ray Serve."""
    placed = [(ObservedModel(model, observed), where) for model, where in placed_models(observed)]
    applications = [_application(one, where, now) for one, where in placed if not is_held_back(one)]
    applications += _carried_over(observed)
    return {
        "proxy_location": "EveryNode",
        "http_options": {"host": observed.site.host, "port": observed.site.port},
        # At INFO, Ray Serve makes a log record for each request, and only then drops it.
        "logging_config": {"enable_access_log": False, "log_level": "WARNING"},
        "applications": [
            _ledger_application(),
            *(_door_application(observed, *door, now) for door in doors(observed).items()),
            *sorted(applications, key=lambda application: str(application["name"])),
        ],
    }


def _carried_over(observed: ObservedFleet) -> list[dict[str, Any]]:
    """What was told of Models that cannot be read any more: they serve on as they do."""
    service = observed.ray_service
    before = service.spec.serve_config if service is not None else ""
    told = (told_application(before, name) for name in observed.unreadable)
    return [dict(application) for application in told if application is not None]


def _ledger_application() -> dict[str, Any]:
    return {
        "name": LEDGER_APPLICATION,
        "route_prefix": LEDGER_PREFIX,
        "import_path": LEDGER_IMPORT_PATH,
        "args": {},
    }


def _door_application(
    observed: ObservedFleet, pool: str, number: int, now: datetime
) -> dict[str, Any]:
    name = door_application(pool)
    return {
        "name": name,
        "route_prefix": None,
        "import_path": DOOR_IMPORT_PATH,
        "args": _door_args(observed, name, now),
        "deployments": [
            {
                "name": DOOR_DEPLOYMENT,
                "num_replicas": number,
                "max_replicas_per_node": 1,
                # There is nothing that it would have to finish.
                "graceful_shutdown_timeout_s": 0,
                "ray_actor_options": {"num_cpus": 0, "resources": {pool_resource(pool): POOL_PART}},
            }
        ],
    }


def _door_args(observed: ObservedFleet, name: str, now: datetime) -> dict[str, Any]:
    """Whatever kept doors from starting, such as a worker that died thrice, is tried again: at
    once, and then less and less often.
    """
    service = observed.ray_service
    before = service.spec.serve_config if service is not None else ""
    attempt, tried = told_attempt(before, name), told_time(before, name)
    if service is not None and not is_building(service):
        said = service.status.told.application_statuses.get(name, ApplicationStatus())
        waited = tried is None or (now - tried).total_seconds() >= _wait(attempt)
        if said.status == DEPLOY_FAILED and waited:
            attempt, tried = attempt + 1, now
    return {"attempt": attempt, **({"tried": tried.isoformat()} if tried is not None else {})}


def _application(observed: ObservedModel, where: Place, now: datetime) -> dict[str, Any]:
    model, config = observed.model, model_config(observed, observed.told)
    return {
        "name": application_of(model),
        "route_prefix": f"/{key_of(model)}",
        "import_path": IMPORT_PATH,
        "args": _replica_config(observed, _attempt(observed, now)),
        "deployments": [_deployment(observed, where, ModelsConfig(models={config.key: config}))],
    }


def _replica_config(observed: ObservedModel, attempt: int) -> dict[str, Any]:
    assert observed.fleet is not None
    resources = observed.model.spec.resources
    gpu = resources.gpu
    network = observed.fleet.fleet.spec.network
    config = ReplicaConfig(
        fleet=observed.fleet.fleet.metadata.name,
        threads=max(1, math.ceil(resources.cpu.value)),
        memory=int(resources.memory.value) if resources.memory else None,
        gpu=gpu is not None,
        gpu_memory=int(gpu.memory.value) if gpu is not None and gpu.memory is not None else None,
        max_body_bytes=int(network.max_body_size.value),
        access_log=network.access_log,
        attempt=attempt,
    )
    return config.model_dump(mode="json")


def _deployment(observed: ObservedModel, where: Place, models: ModelsConfig) -> dict[str, Any]:
    spec = observed.model.spec
    return {
        "name": DEPLOYMENT,
        **_replicas(observed.model),
        "max_ongoing_requests": ONGOING_REQUESTS,
        "max_surge_percent": 100 if spec.rollout is Rollout.SURGE else 0,
        "graceful_shutdown_timeout_s": DRAIN_S,
        "health_check_period_s": 5,
        "health_check_timeout_s": 30,
        "ray_actor_options": _actor_options(observed, where),
        "user_config": models.model_dump(mode="json", exclude_none=True),
    }


def _replicas(model: Model) -> dict[str, Any]:
    """How many. There is no `initial_replicas`: every change of the configuration would begin anew
    with so many, under whichever load.
    """
    scaling = model.spec.scaling
    if scaling is None:
        return {"num_replicas": model.spec.least_replicas}
    idle = scaling.idle_timeout.seconds
    return {
        "num_replicas": "auto",
        "autoscaling_config": {
            "min_replicas": fewest_replicas(model),
            "max_replicas": scaling.max_replicas,
            "target_ongoing_requests": scaling.target_ongoing_requests,
            "upscale_delay_s": UPSCALE_DELAY_S,
            "downscale_delay_s": idle,
            "downscale_to_zero_delay_s": idle,
        },
    }


def _actor_options(observed: ObservedModel, where: Place) -> dict[str, Any]:
    resources = observed.model.spec.resources
    options: dict[str, Any] = {"num_cpus": float(resources.cpu.value)}
    if resources.memory:
        options["memory"] = int(resources.memory.value)
    if resources.gpu is not None:
        options["num_gpus"] = where.share or where.gpus
    if observed.fleet is not None and observed.fleet.site.has_pods:
        options["resources"] = {pool_resource(where.pool): POOL_PART}
    return options


def _attempt(observed: ObservedModel, now: datetime) -> int:
    """Ray Serve gives up on an application whose replicas do not start, and takes the same
    configuration for no change; a higher number makes it try again. While it builds applications,
    that waits: each change would begin all of them anew.
    """
    assert observed.fleet is not None
    service = observed.fleet.ray_service
    before = service.spec.serve_config if service is not None else ""
    attempt = told_attempt(before, application_of(observed.model))
    failure, told = observed.known_failure, observed.told
    failed = observed.application.status == DEPLOY_FAILED and not is_building(service)
    if failure is None or told is None or not failure.retriable or not failed:
        return attempt
    wait = _wait(attempt - told.first_attempt)
    return attempt + 1 if (now - failure.time).total_seconds() >= wait else attempt


def _wait(attempts: int) -> float:
    """Seconds until the next attempt, after so many that failed."""
    return min(RETRY_MOST_S, RETRY_FIRST_S * 2.0 ** min(attempts, 8))
