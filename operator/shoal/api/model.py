"""Model: what to serve and how."""

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field, StrictBool, StrictInt

from shoal.api.base import OneOf, Spec, Wire
from shoal.api.conditions import Conditions, Failure
from shoal.api.ledger import GenerationFacts
from shoal.api.metadata import LABEL_VALUE, LABEL_WORDS, Name, ObjectMeta
from shoal.api.quantity import ByteSize, ByteSizeOrZero, Cores, Duration, Quantity, Timeout
from shoal.api.rules import ListMap, Rule, matching
from shoal.api.tensors import TensorSpec

PREFIXES = ("file:", "http://", "https://")
MIG_PROFILE = r"^[1-9][0-9]?g\.[1-9][0-9]{0,3}gb(\+me)?$"
MAX_GPUS = 16
MAX_ADAPTERS = 128
URI = rf"^({'|'.join(PREFIXES)})/*[^/].*$"
DIGEST = r"^sha256:[0-9a-f]{64}$"
ADAPTER_NAME = r"^[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$"

_URI = f"expected an address that begins with one of {', '.join(PREFIXES)}"
_DIGEST = "expected sha256: and 64 hexadecimal digits in lower case"
_MIG = "expected a MIG profile such as 1g.10gb"

Uri = Annotated[str, Field(max_length=2048), matching(URI, _URI)]
Digest = Annotated[str, Field(max_length=71), matching(DIGEST, _DIGEST)]
AdapterName = Annotated[str, Field(max_length=63), matching(ADAPTER_NAME, LABEL_WORDS)]
MigProfile = Annotated[str, Field(max_length=16), matching(MIG_PROFILE, _MIG)]
Product = Annotated[str, Field(min_length=1, max_length=63), matching(LABEL_VALUE, LABEL_WORDS)]


class Task(StrEnum):
    """What a model means, by Hugging Face's pipeline tags; `tensor` is numbers in, numbers out."""

    TENSOR = "tensor"
    TEXT_CLASSIFICATION = "text-classification"
    QUESTION_ANSWERING = "question-answering"
    FEATURE_EXTRACTION = "feature-extraction"
    TEXT_RANKING = "text-ranking"
    TEXT_GENERATION = "text-generation"


class Precision(StrEnum):
    """What a model's weights are kept in: `auto` is a quantized checkpoint's own, else fp32.

    fp32 and fp16 compute in the same; int8 and int4 are quantized on deploy.
    """

    AUTO = "auto"
    FP32 = "fp32"
    FP16 = "fp16"
    INT8 = "int8"
    INT4 = "int4"


class KvCache(StrEnum):
    """What keys and values are kept in: `auto` is what the model computes in.

    int8 takes a quarter of float32's memory, and rounds: answers may differ a little.
    """

    AUTO = "auto"
    INT8 = "int8"


class ExecutionProvider(StrEnum):
    """ONNX Runtime's execution providers that Shoal can be asked for."""

    CPU = "CPUExecutionProvider"
    CUDA = "CUDAExecutionProvider"
    TENSORRT = "TensorrtExecutionProvider"


class Source(Spec):
    """Where the model's files are, and optionally exactly which files."""

    uri: Uri
    """A `file:`, `http://` or `https://` address of a folder's archive, or of a folder."""

    digest: Digest | None = None
    """The sha256 of the files, if only exactly these may be served."""

    secret_name: Name | None = None
    """A Secret of the Model's namespace with credentials for the address: `token`, or `username`
    and `password`."""


class SessionOptions(Spec):
    """The ONNX Runtime session options that are safe to hand to a Model's owner."""

    graph_optimization_level: Literal["disabled", "basic", "extended", "all"] = "all"
    """How far the graph is rewritten before it runs."""

    execution_mode: Literal["sequential", "parallel"] = "sequential"
    """Whether nodes of the graph run one after another, or beside each other."""

    inter_op_num_threads: StrictInt = Field(default=1, ge=1, le=256)
    """Threads for nodes beside each other; above 1 in parallel mode only."""

    allow_spinning: StrictBool = False
    """Whether threads that wait keep their processor busy: they answer sooner, and take it from
    everybody else."""

    enable_mem_pattern: StrictBool = True
    """Whether memory is laid out by what the last run of the same shapes took."""

    enable_cpu_mem_arena: StrictBool = True
    """Whether memory is kept for the next run."""


class OnnxRuntime(Spec):
    """The ONNX Runtime backend. No execution providers means the CPU, or CUDA where
    `resources.gpu` is said.
    """

    execution_providers: Annotated[tuple[ExecutionProvider, ...], Field(max_length=8)] = ()
    """Execution providers, the preferred one first."""

    session_options: SessionOptions = SessionOptions()


class Backend(OneOf):
    """What runs the model: exactly one of these; ONNX Runtime if none is said."""

    onnx_runtime: OnnxRuntime | None = None


class Gpu(Spec):
    """What one replica needs of the GPUs of one machine."""

    count: StrictInt = Field(default=1, ge=1, le=MAX_GPUS)
    """How many GPUs (or MIG devices)."""

    memory: ByteSize | None = None
    """Memory on one GPU, which others share; without it the replica has the GPU to itself.

    All that its process takes there: 896 MiB of it are CUDA's own.
    """

    products: Annotated[tuple[Product, ...], Field(max_length=16)] = ()
    """The products that will do, as the node label `nvidia.com/gpu.product` names them; none means
    any."""

    mig: MigProfile | None = None
    """A MIG profile such as `1g.10gb`; without it the replica wants an undivided GPU."""

    rules = (
        Rule(
            "memory is a share of one GPU. Leave it out, or say count: 1",
            cel="!has(self.memory) || self.count == 1",
            holds=lambda gpu: gpu.memory is None or gpu.count == 1,
            field="memory",
            forbidden=True,
        ),
    )


class Resources(Spec):
    """What one replica may use."""

    cpu: Cores = Quantity("500m")
    """Processors, as Kubernetes counts them."""

    memory: ByteSize | None = None
    """The most memory that the model may take; without it there is no limit but the pool's."""

    gpu: Gpu | None = None
    """GPUs; without it the model runs on processors."""


class Batching(Spec):
    """How requests become batches, how many may wait, and for how long."""

    max_batch_size: StrictInt = Field(default=32, ge=1, le=4096)
    """The most that one run of the model takes at once."""

    max_queue_size: StrictInt = Field(default=512, ge=1, le=1_000_000)
    """How many may wait for a replica; more are refused, to be sent again later."""

    timeout: Timeout = Duration("30s")
    """How long a request may wait before it is given up."""


class AdapterSource(Source):
    """A LoRA adapter of the model: what requests call it, and where its files are."""

    name: AdapterName
    """The `model` of a request that wants this adapter. Not the Model's own name."""


class Generation(Spec):
    """How text is generated: how much at once, how long it may be, and with which adapters."""

    max_sequences: StrictInt = Field(default=16, ge=1, le=1024)
    """How many sequences run at once; more of them wait, as `batching` allows."""

    max_tokens: StrictInt = Field(default=2048, ge=2, le=1_048_576)
    """The most tokens of one sequence, prompt and answer; the model's own limit if that is less."""

    prefix_cache: ByteSizeOrZero = Quantity("256Mi")
    """Memory that keeps what begins many prompts, so that it is computed once; 0 turns it off."""

    kv_cache: KvCache = KvCache.AUTO
    """What the keys and values of all these tokens are kept in."""

    adapters: Annotated[
        tuple[AdapterSource, ...], Field(max_length=MAX_ADAPTERS), ListMap("name")
    ] = ()
    """LoRA adapters that are served beside the model itself."""


class Scaling(Spec):
    """How many replicas run, by how many requests they have."""

    min_replicas: StrictInt = Field(default=1, ge=0, le=1000)
    """The fewest; 0 lets an idle Model go, and its next request waits until it is back."""

    max_replicas: StrictInt = Field(default=1, ge=1, le=1000)
    """The most."""

    target_ongoing_requests: StrictInt = Field(default=8, ge=1, le=100_000)
    """Requests that one replica should have at once: more of them want another replica."""

    idle_timeout: Timeout = Duration("10m")
    """How long fewer requests must last before a replica goes."""

    rules = (
        Rule(
            "expected minReplicas to be at most maxReplicas, which is 1 if it is not said",
            cel="self.minReplicas <= self.maxReplicas",
            holds=lambda scaling: scaling.min_replicas <= scaling.max_replicas,
            field="minReplicas",
        ),
    )


class Rollout(StrEnum):
    """How new replicas take the place of old ones: beside them, or after they are gone.

    Recreate accepts a gap in which nothing serves, where there is no room for both.
    """

    SURGE = "Surge"
    RECREATE = "Recreate"


class ModelSpec(Spec):
    """What to serve and how."""

    task: Task = Task.TENSOR
    source: Source
    backend: Backend = Backend(onnx_runtime=OnnxRuntime())
    precision: Precision = Precision.AUTO
    resources: Resources = Resources()
    batching: Batching = Batching()
    generation: Generation | None = None
    replicas: StrictInt | None = Field(default=None, ge=0, le=1000)
    """How many replicas run; 1 if neither this nor `scaling` is said."""

    scaling: Scaling | None = None
    """Replicas by load, in the place of `replicas`."""

    rollout: Rollout = Rollout.SURGE
    fleet: Name = "default"
    """The Fleet that serves it."""

    suspend: StrictBool = False
    """Whether nothing is served for now; everything else stays as it is."""

    rules = (
        Rule(
            "expected replicas or scaling, but not both",
            cel="!(has(self.replicas) && has(self.scaling))",
            holds=lambda spec: spec.replicas is None or spec.scaling is None,
        ),
        Rule(
            "expected auto or fp32: only task text-generation is quantized",
            cel="self.task == 'text-generation' || self.precision in ['auto', 'fp32']",
            holds=lambda spec: _generates(spec) or spec.precision in ("auto", "fp32"),
            field="precision",
        ),
        Rule(
            "only task text-generation generates text. Leave it out, or say that task",
            cel="self.task == 'text-generation' || !has(self.generation)",
            holds=lambda spec: _generates(spec) or spec.generation is None,
            field="generation",
            forbidden=True,
        ),
    )

    @property
    def least_replicas(self) -> int:
        """The fewest replicas that should run while nobody asks."""
        if self.scaling is not None:
            return self.scaling.min_replicas
        return 1 if self.replicas is None else self.replicas

    @property
    def most_replicas(self) -> int:
        """The most replicas that may run."""
        return self.scaling.max_replicas if self.scaling is not None else self.least_replicas


def _generates(spec: ModelSpec) -> bool:
    return spec.task is Task.TEXT_GENERATION


class ReplicaCount(Wire):
    """Replicas that are wanted, and those that answer, with whichever generation."""

    desired: int = 0
    """Replicas that are wanted."""

    ready: int = 0
    """Replicas that answer."""


class Placement(Wire):
    """Where the replicas run, and what each has of GPUs: a share of one, or whole ones."""

    pool: str
    """The pool of the Fleet."""

    gpu_share: float | None = None
    """The share of one GPU, from 0 to 1."""

    gpu_memory: str | None = None
    """The share in bytes, as a quantity."""

    gpus: int | None = None
    """How many whole GPUs."""


class ModelFacts(Wire):
    """What was learnt from the model itself once it was loaded."""

    bytes: int = 0
    """The size of its files, in bytes."""

    inputs: tuple[TensorSpec, ...] = ()
    """What it takes."""

    outputs: tuple[TensorSpec, ...] = ()
    """What it answers."""

    precision: str | None = None
    """What its weights are kept in."""

    generation: GenerationFacts | None = None


class ModelStatus(Wire):
    """What is true of a Model now."""

    observed_generation: int = 0
    """The newest generation of the spec that was seen."""

    conditions: Conditions = ()
    """What is true of it, and why."""

    url: str | None = None
    """Where people reach it: at the host of the Fleet's Ingress or route, if it has one. Whether
    that leads to the Fleet is not for Shoal to know: `Ready` is about the address in the cluster.
    """

    revision: str | None = None
    """What answers there: a short hash of the bytes, and of how they are read."""

    replicas: ReplicaCount = ReplicaCount()
    model: ModelFacts | None = None
    placement: Placement | None = None
    last_failure: Failure | None = None


class Model(Spec):
    """What to serve and how; becomes one Ray Serve application of its Fleet."""

    api_version: Literal["shoal.dev/v1alpha1"] = "shoal.dev/v1alpha1"
    kind: Literal["Model"] = "Model"
    metadata: ObjectMeta
    spec: ModelSpec
    status: ModelStatus = ModelStatus()

    rules = (
        Rule(
            "expected every adapter to have another name than the Model's own",
            cel=(
                "!has(self.spec.generation) || !has(self.spec.generation.adapters)"
                " || self.spec.generation.adapters.all(one, one.name != self.metadata.name)"
            ),
            holds=lambda model: model.metadata.name not in _adapter_names(model.spec),
            field="spec.generation.adapters",
        ),
    )


def _adapter_names(spec: ModelSpec) -> list[str]:
    return [adapter.name for adapter in spec.generation.adapters] if spec.generation else []
