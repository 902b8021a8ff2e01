"""Fleet: a long-lived Ray cluster made of pools of alike workers."""

from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    Field,
    StrictInt,
    StringConstraints,
    model_validator,
)
from pydantic_core import PydanticCustomError

from shoal.api.base import Spec, Wire
from shoal.api.conditions import Condition
from shoal.api.label_selector import LabelSelector
from shoal.api.metadata import Name, ObjectMeta
from shoal.api.model import MAX_GPUS, MigProfile, Product
from shoal.api.network import Network
from shoal.api.quantity import ByteSize, Cores, Quantity

MAX_MODELS = 200
MAX_POOLS = 32
MAX_WORKERS = 1000
# KubeRay names Services after the Ray cluster, whose name is the Fleet's and six characters more.
FLEET_NAME = r"^[a-z]([-a-z0-9]{0,45}[a-z0-9])?$"
RAY_VERSION = r"^[0-9]+\.[0-9]+\.[0-9]+$"

PodTemplate = dict[str, Any]
"""A part of a `PodTemplateSpec` (`metadata.labels`, `metadata.annotations`, `spec`)."""


class Ray(Spec):
    """Which Ray runs, and from which image."""

    version: Annotated[str, StringConstraints(pattern=RAY_VERSION)] = "2.60.0"
    """Ray's version in the image."""

    image: Annotated[str, StringConstraints(min_length=1, max_length=1024)] | None = None
    """The serving image; the operator's own default if it is not said."""

    image_pull_policy: Literal["Always", "IfNotPresent", "Never"] = "IfNotPresent"
    image_pull_secrets: Annotated[tuple[Name, ...], Field(max_length=16)] = ()
    """Secrets of the Fleet's namespace for the image's registry."""


class RocksDB(Spec):
    """The head's state in files on a volume of its own."""

    storage_class_name: Name | None = None
    """The volume's StorageClass; the cluster's default if it is not said."""

    size: ByteSize = Quantity("1Gi")


class Redis(Spec):
    """The head's state in a Redis that somebody else runs."""

    address: Annotated[str, StringConstraints(pattern=r"^[^\s/]+:[0-9]{1,5}$")]
    """`host:port`."""

    secret_name: Name | None = None
    """A Secret of the Fleet's namespace whose key `password` opens it."""


class Durability(Spec):
    """Where the head keeps what it must not forget: exactly one of these."""

    rocks_db: RocksDB | None = Field(default=None, alias="rocksDB")
    redis: Redis | None = None

    @model_validator(mode="after")
    def _exactly_one(self) -> "Durability":
        if (self.rocks_db is None) == (self.redis is None):
            raise PydanticCustomError("union", "expected exactly one of rocksDB, redis")
        return self


class EmptyDir(Spec):
    """A folder that goes with the pod."""

    size_limit: ByteSize = Quantity("20Gi")


class PersistentVolumeClaim(Spec):
    """A claim in the Fleet's namespace that all workers can mount."""

    claim_name: Name


class HostPath(Spec):
    """A folder of the node, which outlives pods. Not allowed by restricted Pod Security."""

    path: Annotated[str, StringConstraints(pattern=r"^/[^\s]*$", max_length=1024)]


class Cache(Spec):
    """Where workers keep the models that they fetched: exactly one of these."""

    empty_dir: EmptyDir | None = None
    persistent_volume_claim: PersistentVolumeClaim | None = None
    host_path: HostPath | None = None

    @model_validator(mode="after")
    def _exactly_one(self) -> "Cache":
        if sum(value is not None for value in self.__dict__.values()) != 1:
            words = "expected exactly one of emptyDir, persistentVolumeClaim, hostPath"
            raise PydanticCustomError("union", words)
        return self


class Workers(Spec):
    """How many workers a pool has."""

    min: StrictInt = Field(default=1, ge=0, le=MAX_WORKERS)
    """The fewest, also while nobody needs them."""

    max: StrictInt = Field(default=1, ge=1, le=MAX_WORKERS)
    """The most."""

    @model_validator(mode="after")
    def _in_order(self) -> "Workers":
        if self.min > self.max:
            words = "expected min to be at most max ({most})"
            raise PydanticCustomError("order", words, {"most": self.max})
        return self


class PoolGpu(Spec):
    """The GPUs of each worker of a pool."""

    product: Product | None = None
    """The node label `nvidia.com/gpu.product` that the nodes must carry; none means any."""

    count: StrictInt = Field(default=1, ge=1, le=MAX_GPUS)
    """GPUs (or MIG devices) of one worker."""

    mig: MigProfile | None = None
    """The MIG profile of these devices; without it the GPUs are undivided."""

    memory: ByteSize | None = None
    """Memory of one GPU. Nodes tell it by their labels; say it where no such node exists yet."""


class PodResources(Spec):
    """What one pod asks for, and its limit."""

    cpu: Cores = Quantity("2")
    memory: ByteSize = Quantity("4Gi")


class Pool(Spec):
    """Workers that are alike."""

    name: Name
    workers: Workers = Workers()
    gpu: PoolGpu | None = None
    """GPUs; without it the pool has none."""

    resources: PodResources = PodResources()
    template: PodTemplate = Field(default_factory=dict)
    """More of the workers' pods, merged as server-side apply merges: nodeSelector, tolerations,
    topologySpreadConstraints, priorityClassName, sidecars, ..."""


class Head(Spec):
    """The pod that coordinates the Fleet. It serves no models."""

    resources: PodResources = PodResources(cpu=Quantity("1"), memory=Quantity("4Gi"))
    template: PodTemplate = Field(default_factory=dict)
    """More of the head's pod, merged as server-side apply merges."""


def _unique_names(pools: tuple[Pool, ...]) -> tuple[Pool, ...]:
    if len({pool.name for pool in pools}) != len(pools):
        raise PydanticCustomError("pools", "expected every pool to have a name of its own")
    return pools


def _some_worker(pools: tuple[Pool, ...]) -> tuple[Pool, ...]:
    """Without any, the address would have nobody who answers, nor anybody to wake others."""
    if not any(pool.workers.min for pool in pools):
        raise PydanticCustomError("pools", "expected workers.min of at least 1 in some pool")
    return pools


Pools = Annotated[
    tuple[Pool, ...],
    Field(min_length=1, max_length=MAX_POOLS),
    AfterValidator(_unique_names),
    AfterValidator(_some_worker),
]


class FleetSpec(Spec):
    """The pools of a Fleet, what they run, and how they are reached."""

    ray: Ray = Ray()
    namespace: Name | None = None
    """Where its pods run; the operator's own namespace if it is not said. It cannot be changed."""

    head: Head = Head()
    pools: Pools
    durability: Durability | None = None
    """Without it, workers are replaced when the head is lost, and models load anew."""

    network: Network = Network()
    cache: Cache = Cache(empty_dir=EmptyDir())
    allowed_namespaces: LabelSelector | None = None
    """Labels of the namespaces whose Models it serves; without it, those of every namespace."""


class ModelCount(Wire):
    """Models placed on the Fleet, and those that are Ready."""

    total: int = 0
    ready: int = 0


class WorkerCount(Wire):
    """Ray nodes that should run, and those that do."""

    desired: int = 0
    ready: int = 0


class PoolInventory(Wire):
    """What a pool is made of: `nodes` could hold its workers, with `gpus` of `gpu_memory` bytes
    each. Kept while the nodes are away.
    """

    name: str
    nodes: int = 0
    gpus: int = 0
    gpu_product: str | None = None
    gpu_memory: int | None = None


class FleetStatus(Wire):
    """What is true of a Fleet now. `gpus` are those of the workers that run."""

    observed_generation: int = 0
    conditions: tuple[Condition, ...] = ()
    url: str | None = None
    models: ModelCount = ModelCount()
    workers: WorkerCount = WorkerCount()
    gpus: int = 0
    inventory: tuple[PoolInventory, ...] = ()


class Fleet(Spec):
    """A long-lived Ray cluster; becomes one RayService that holds every Model placed on it."""

    api_version: Literal["shoal.dev/v1alpha1"] = "shoal.dev/v1alpha1"
    kind: Literal["Fleet"] = "Fleet"
    metadata: ObjectMeta
    spec: FleetSpec
    status: FleetStatus = FleetStatus()
