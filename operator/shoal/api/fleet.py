"""Fleet: a long-lived Ray cluster made of pools of alike workers."""

import re
from typing import Annotated, Any, Literal

from pydantic import Field, StrictInt

from shoal.api.base import OneOf, Spec, Wire
from shoal.api.conditions import Conditions
from shoal.api.label_selector import LabelSelector
from shoal.api.labels import HEAD_GROUP
from shoal.api.metadata import Name, ObjectMeta, Subdomain
from shoal.api.model import MAX_GPUS, MigProfile, Product
from shoal.api.network import Network
from shoal.api.quantity import ByteSize, Cores, Quantity
from shoal.api.rules import ListMap, Rule, changeless, matching

MAX_MODELS = 200
MAX_POOLS = 32
MAX_WORKERS = 1000
# KubeRay names Services after the Ray cluster, whose name is the Fleet's and six characters more.
FLEET_NAME = r"^[a-z]([-a-z0-9]{0,45}[a-z0-9])?$"
RAY_VERSION = r"^[0-9]+\.[0-9]+\.[0-9]+$"
# Spaces are spelt out: what `\s` is, RE2 and Python see differently.
REDIS_ADDRESS = r"^[^ \t\n\f\r/]+:[0-9]{1,5}$"
FOLDER = r"^/[^ \t\n\f\r]*$"

RayVersion = Annotated[
    str, Field(max_length=32), matching(RAY_VERSION, "expected a release such as 2.60.0")
]
RedisAddress = Annotated[
    str, Field(max_length=260), matching(REDIS_ADDRESS, "expected host:port, such as redis:6379")
]
Folder = Annotated[
    str, Field(max_length=1024), matching(FOLDER, "expected a path from the root, /")
]

PodTemplate = dict[str, Any]
"""A part of a `PodTemplateSpec` (`metadata.labels`, `metadata.annotations`, `spec`)."""


class Ray(Spec):
    """Which Ray runs, and from which image."""

    version: RayVersion = "2.60.0"
    """Ray's version in the image."""

    image: Annotated[str, Field(min_length=1, max_length=1024)] | None = None
    """The serving image; the operator's own default if it is not said."""

    image_pull_policy: Literal["Always", "IfNotPresent", "Never"] = "IfNotPresent"
    """When nodes fetch the image."""

    image_pull_secrets: Annotated[tuple[Subdomain, ...], Field(max_length=16)] = ()
    """Secrets of the Fleet's namespace for the image's registry."""


class RocksDB(Spec):
    """The head's state in files on a volume of its own."""

    storage_class_name: Subdomain | None = None
    """The volume's StorageClass; the cluster's default if it is not said. It cannot be changed."""

    size: ByteSize = Quantity("1Gi")
    """The volume's size. It may only grow, and only where its StorageClass lets it."""

    rules = (
        changeless(
            "storageClassName",
            "cannot be changed, since a volume stays in its class. Leave durability out, and say "
            "it again once the volume is gone: the head forgets what it holds",
        ),
        Rule(
            "expected no less than before, since a volume cannot shrink",
            cel=(
                "!isQuantity(string(self.size)) ||"
                " quantity(string(self.size)).compareTo(quantity(string(oldSelf.size))) >= 0"
            ),
            holds=lambda _: True,  # Only an API server knows what it was.
            field="size",
        ),
    )


class Redis(Spec):
    """The head's state in a Redis that somebody else runs."""

    address: RedisAddress
    """`host:port`."""

    secret_name: Subdomain | None = None
    """A Secret of the Fleet's namespace whose key `password` opens it."""


class Durability(OneOf):
    """Where the head keeps what it must not forget: exactly one of these."""

    rocks_db: RocksDB | None = Field(default=None, alias="rocksDB")
    redis: Redis | None = None


class EmptyDir(Spec):
    """A folder that goes with the pod."""

    size_limit: ByteSize = Quantity("20Gi")
    """The most that it may hold."""


class PersistentVolumeClaim(Spec):
    """A claim in the Fleet's namespace that all workers can mount."""

    claim_name: Subdomain
    """The claim."""


class HostPath(Spec):
    """A folder of the node, which outlives pods: it must be there, and user 1000 must be able to
    write to it. Not allowed by restricted Pod Security.
    """

    path: Folder
    """The folder."""


class Cache(OneOf):
    """Where workers keep the models that they fetched: exactly one of these; an emptyDir of 20Gi if
    none is said.
    """

    empty_dir: EmptyDir | None = None
    persistent_volume_claim: PersistentVolumeClaim | None = None
    host_path: HostPath | None = None


class Workers(Spec):
    """How many workers a pool has."""

    min: StrictInt = Field(default=1, ge=0, le=MAX_WORKERS)
    """The fewest, also while nobody needs them."""

    max: StrictInt = Field(default=1, ge=1, le=MAX_WORKERS)
    """The most."""

    rules = (
        Rule(
            "expected min to be at most max, which is 1 if it is not said",
            cel="self.min <= self.max",
            holds=lambda workers: workers.min <= workers.max,
            field="min",
        ),
    )


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
    """Processors, as Kubernetes counts them."""

    memory: ByteSize = Quantity("4Gi")
    """Memory."""


# The name is the worker group's, and KubeRay has one of its own for the head.
_NO_HEAD = Rule(
    f"expected another name: {HEAD_GROUP} is the head's",
    cel=f"self != '{HEAD_GROUP}'",
    holds=lambda name: name != HEAD_GROUP,
)


class Pool(Spec):
    """Workers that are alike."""

    name: Annotated[Name, _NO_HEAD]
    """What it is called within the Fleet."""

    workers: Workers = Workers(min=1, max=1)
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


# Without any, the address would have nobody who answers, nor anybody to wake others.
_SOME_WORKER = Rule(
    "expected workers.min of at least 1 in some pool",
    cel="self.exists(pool, pool.workers.min > 0)",
    holds=lambda pools: any(pool.workers.min for pool in pools),
)
Pools = Annotated[
    tuple[Pool, ...], Field(min_length=1, max_length=MAX_POOLS), ListMap("name"), _SOME_WORKER
]


class FleetSpec(Spec):
    """The pools of a Fleet, what they run, and how they are reached."""

    ray: Ray = Ray()
    namespace: Name | None = None
    """Where its pods run; the operator's own namespace if it is not said. It cannot be changed."""

    head: Head = Head()
    pools: Pools
    """Its workers; at least one of them always runs."""

    durability: Durability | None = None
    """Without it, workers are replaced when the head is lost, and models load anew."""

    network: Network = Network()
    cache: Cache = Cache(empty_dir=EmptyDir())
    allowed_namespaces: LabelSelector | None = None
    """Labels of the namespaces whose Models it serves; without it, those of every namespace."""

    rules = (
        changeless(
            "namespace",
            "cannot be changed, since all that the Fleet runs is there. Make another Fleet, move "
            "the Models to it (spec.fleet), and delete this one",
        ),
    )


class ModelCount(Wire):
    """Models placed on the Fleet, and those that are Ready."""

    total: int = 0
    """Models placed on it."""

    ready: int = 0
    """Models that are Ready."""

    bytes: int = 0
    """The most that all of them would take of the configuration, in bytes."""


class WorkerCount(Wire):
    """Ray nodes that should run, and those that do."""

    desired: int = 0
    """Ray nodes that should run."""

    ready: int = 0
    """Ray nodes that run."""


class PoolInventory(Wire):
    """What a pool is made of. What its GPUs are is kept while no node tells it."""

    name: str
    """The pool."""

    nodes: int = 0
    """Nodes that could hold its workers now; 0 while they are away."""

    gpus: int = 0
    """GPUs (or MIG devices) of these nodes now; 0 while they are away."""

    gpu_product: str | None = None
    """What these GPUs are, as the node label `nvidia.com/gpu.product` names them."""

    gpu_memory: int | None = None
    """Memory of one of them, in bytes: of the smallest that was seen."""

    asked: str = ""
    """Which GPUs the pool asked for when this was learnt; asked for others, it is forgotten."""


class FleetStatus(Wire):
    """What is true of a Fleet now."""

    observed_generation: int = 0
    """The newest generation of the spec that was seen."""

    conditions: Conditions = ()
    """What is true of it, and why."""

    url: str | None = None
    """Where its Models answer, below their names."""

    models: ModelCount = ModelCount()
    workers: WorkerCount = WorkerCount()
    gpus: int = 0
    """GPUs of the workers that run."""

    inventory: Annotated[tuple[PoolInventory, ...], ListMap("name")] = ()
    """What its pools are made of."""


class Fleet(Spec):
    """A long-lived Ray cluster; becomes one RayService that holds every Model placed on it."""

    api_version: Literal["shoal.dev/v1alpha1"] = "shoal.dev/v1alpha1"
    kind: Literal["Fleet"] = "Fleet"
    metadata: ObjectMeta
    spec: FleetSpec
    status: FleetStatus = FleetStatus()

    rules = (
        Rule(
            "expected a letter first, lower-case letters, digits and '-', at most 47",
            cel=f"self.metadata.name.matches(r'{FLEET_NAME}')",
            holds=lambda fleet: re.fullmatch(FLEET_NAME, fleet.metadata.name) is not None,
            field="metadata.name",
        ),
    )
