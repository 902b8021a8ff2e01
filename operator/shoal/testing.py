"""Builders for tests, ours and users': each makes something sound, of which a test says the rest.

model = a_model(replicas=2)
ledger = a_ledger({"ops/alarm-triage": [a_replica(model), a_replica(model, "Loading")]})
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from shoal.api import (
    Failure,
    Fleet,
    FleetSpec,
    Ledger,
    Model,
    ModelReport,
    ModelSpec,
    ObjectMeta,
    Pool,
    RayService,
    RayServiceSpec,
    RayServiceStatus,
    Reason,
    ReplicaReport,
    ReplicaState,
    Site,
)
from shoal.api.rayservice import ApplicationStatus, DeploymentStatus, ServiceStatus
from shoal.api.runtime import DEPLOYMENT

SITE = Site(namespace="shoal-system", host="127.0.0.1", port=8000, address="http://fleet:8000")
POD_SITE = Site(
    namespace="shoal-system",
    host="0.0.0.0",  # noqa: S104  in a pod
    port=8000,
    address="http://default.shoal-system.svc:8000",
    image="serving:test",
    operator_namespace="shoal-system",
)
NOW = datetime(2026, 1, 1, 12, 0, tzinfo=UTC)
DIGEST = "sha256:" + "a" * 64


def a_model(
    name: str = "alarm-triage",
    namespace: str = "ops",
    *,
    generation: int = 1,
    created: datetime = NOW,
    **spec: Any,
) -> Model:
    """A Model as an API server gives it; `spec` is more of its spec."""
    said = {"source": {"uri": f"file:///models/{name}"}, **spec}
    metadata = ObjectMeta(
        name=name,
        namespace=namespace,
        generation=generation,
        uid=f"uid-of-{namespace}-{name}",
        creation_timestamp=created,
    )
    return Model(metadata=metadata, spec=ModelSpec.model_validate(said))


def changed(model: Model, **spec: Any) -> Model:
    """The next generation of a Model, with another spec; its status is as it was."""
    said = {**model.spec.model_dump(by_alias=False, exclude_unset=True), **spec}
    generation = model.metadata.generation + 1
    metadata = model.metadata.model_copy(update={"generation": generation})
    update = {"metadata": metadata, "spec": ModelSpec.model_validate(said)}
    return model.model_copy(update=update)


def a_fleet(name: str = "default", **spec: Any) -> Fleet:
    """A Fleet of one pool."""
    said = {"pools": (Pool(name="local"),), **spec}
    metadata = ObjectMeta(name=name, generation=1, uid=f"uid-of-{name}", creation_timestamp=NOW)
    return Fleet(metadata=metadata, spec=FleetSpec.model_validate(said))


def a_replica(
    model: Model, state: str = "Ready", *, serves: int | None = None, **said: Any
) -> ReplicaReport:
    """What a replica says that was told of the Model as it is.

    `serves` is the generation that it answers with: the same if it is Ready, otherwise none.
    """
    meta = model.metadata
    served = meta.generation if serves is None and state == ReplicaState.READY else serves
    serving: dict[str, Any] = {}
    if served is not None:
        serving = {"revision": f"{served:08x}", "served_generation": served, "digest": DIGEST}
    told = {"uid": meta.uid, "generation": meta.generation, "state": state, "reported": NOW}
    return ReplicaReport.model_validate({**told, **serving, **said})


def a_failure(reason: Reason = Reason.DIGEST_MISMATCH, **said: Any) -> Failure:
    """A failure that stays until its owner does something, unless `retriable`."""
    words = {"message": "The bytes are others.", "action": "Pin the right digest.", "time": NOW}
    return Failure.model_validate({"reason": reason, **words, **said})


def a_ledger(replicas: Mapping[str, Sequence[ReplicaReport]], **known: Any) -> Ledger:
    """What replicas say, by the `namespace/name` of the Model; they are named in their order.

    `known` is what is known of each Model besides.
    """
    reports = {
        key: ModelReport(replicas={f"replica-{at}": one for at, one in enumerate(said)}, **known)
        for key, said in replicas.items()
    }
    return Ledger(models=reports)


def a_ray_service(
    serve_config: str, applications: Mapping[str, ApplicationStatus] | None = None
) -> RayService:
    """A RayService that is up and was told of a configuration, with what Ray Serve says of it."""
    said = dict(applications or {})
    active = ServiceStatus(ray_cluster_name="default", application_statuses=said)
    status = RayServiceStatus(
        observed_generation=1, num_serve_endpoints=1, active_service_status=active
    )
    return RayService(
        metadata=ObjectMeta(name="default", namespace="shoal-system", generation=1),
        spec=RayServiceSpec(serveConfigV2=serve_config),
        status=status,
    )


def an_application(status: str = "RUNNING", said: str = "") -> ApplicationStatus:
    """What Ray Serve says of an application of one deployment."""
    deployments = {DEPLOYMENT: DeploymentStatus(status=status, message=said)}
    return ApplicationStatus(status=status, serve_deployment_statuses=deployments)
