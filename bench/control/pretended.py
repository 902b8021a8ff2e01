"""What a RayService would come to in pods where all goes well, told from what it asks for."""

import hashlib
import json
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from shoal.api import (
    Ledger,
    ModelConfig,
    ModelReport,
    ModelsConfig,
    RayService,
    RayServiceStatus,
    ReplicaReport,
    ReplicaState,
)
from shoal.api.ledger import Bytes
from shoal.api.rayservice import ApplicationStatus, DeploymentStatus, ServiceStatus
from shoal.api.runtime import DEPLOYMENT, revision_name
from shoal.api.tensors import Datatype, TensorSpec

_IN = TensorSpec(name="x", datatype=Datatype.FP32, shape=(-1, 384))
_OUT = TensorSpec(name="y", datatype=Datatype.FP32, shape=(-1, 10))
_RUNNING = ApplicationStatus(
    status="RUNNING", serve_deployment_statuses={DEPLOYMENT: DeploymentStatus(status="HEALTHY")}
)


def name_of_ray_cluster(service: RayService) -> str:
    """The name of its Ray cluster."""
    return f"{service.metadata.name}-pretended"


def ray_cluster_of(service: RayService) -> dict[str, Any]:
    """Its Ray cluster, whose pods are up."""
    return {
        "apiVersion": "ray.io/v1",
        "kind": "RayCluster",
        "metadata": {
            "name": name_of_ray_cluster(service),
            "labels": dict(service.metadata.labels),
        },
        "spec": service.spec.ray_cluster_config,
        "status": {"desiredWorkerReplicas": 1, "readyWorkerReplicas": 1},
    }


def status_of(service: RayService) -> RayServiceStatus:
    """As KubeRay's, once every application runs."""
    config = json.loads(service.spec.serve_config)
    active = ServiceStatus(
        ray_cluster_name=name_of_ray_cluster(service),
        application_statuses={one["name"]: _RUNNING for one in config["applications"]},
    )
    return RayServiceStatus(
        observed_generation=service.metadata.generation,
        num_serve_endpoints=1,
        active_service_status=active,
    )


def ledger_of(service: RayService, now: datetime) -> Ledger:
    """One replica of every Model that it was told of, each with the revision that is wanted."""
    return Ledger(models={one.key: _report(one, now) for one in told(service.spec.serve_config)})


def told(serve_config: str) -> Iterator[ModelConfig]:
    """Every Model of a Serve configuration."""
    for application in json.loads(serve_config)["applications"]:
        for deployment in application.get("deployments", ()):
            if deployment["name"] == DEPLOYMENT:
                said = ModelsConfig.model_validate(deployment["user_config"])
                yield from said.models.values()


def _report(config: ModelConfig, now: datetime) -> ModelReport:
    wanted = config.wanted
    digest = f"sha256:{hashlib.sha256(wanted.source.uri.encode()).hexdigest()}"
    replica = ReplicaReport(
        node="pretended",
        uid=config.uid,
        state=ReplicaState.READY,
        generation=wanted.generation,
        revision=revision_name(digest, wanted),
        served_generation=wanted.generation,
        digest=digest,
        bytes=Bytes(file=2**20, resident=2**22, peak=2**23),
        reported=now,
    )
    name = f"{config.namespace}.{config.name}#{DEPLOYMENT}#1"
    return ModelReport(inputs=(_IN,), outputs=(_OUT,), precision="fp32", replicas={name: replica})
