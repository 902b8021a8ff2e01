"""Model: what to serve and how."""

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import (
    AfterValidator,
    Field,
    StrictBool,
    StrictInt,
    StringConstraints,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic_core import PydanticCustomError

from shoal.api.base import Spec, Wire
from shoal.api.conditions import Condition, Failure
from shoal.api.ledger import GenerationFacts
from shoal.api.metadata import LABEL_VALUE, Name, ObjectMeta
from shoal.api.quantity import ByteSize, ByteSizeOrZero, Cores, Duration, Quantity, Timeout
from shoal.api.tensors import TensorSpec

PREFIXES = ("file:", "http://", "https://")
MIG_PROFILE = r"^[1-9][0-9]?g\.[1-9][0-9]{0,3}gb(\+me)?$"
MAX_GPUS = 16
DIGEST = r"^sha256:[0-9a-f]{64}$"
Digest = Annotated[str, StringConstraints(pattern=DIGEST)]
ADAPTER_NAME = r"^[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$"
AdapterName = Annotated[str, StringConstraints(pattern=ADAPTER_NAME)]
MAX_ADAPTERS = 128


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


def _known_address(uri: str) -> str:
    prefix = next((prefix for prefix in PREFIXES if uri.startswith(prefix)), None)
    if prefix is None or not uri.removeprefix(prefix).strip("/"):
        words = ", ".join(PREFIXES)
        raise PydanticCustomError(
            "uri", "expected an address that begins with one of {words}", {"words": words}
        )
    return uri


class Source(Spec):
    """Where the model's files are, and optionally exactly which files."""

    uri: Annotated[str, AfterValidator(_known_address)]
    """A `file:`, `http://` or `https://` address of a folder's archive, or of a folder."""

    digest: Digest | None = None
    """The sha256 of the files, if only exactly these may be served."""

    secret_name: Name | None = None
    """A Secret of the Model's namespace with credentials for the address: `token`, or `username`
    and `password`."""


class SessionOptions(Spec):
    """The ONNX Runtime session options that are safe to hand to a Model's owner.

    `inter_op_num_threads` above 1 takes effect with `execution_mode: parallel`. Spinning threads
    answer sooner and take the processor from everybody else.
    """

    graph_optimization_level: Literal["disabled", "basic", "extended", "all"] = "all"
    execution_mode: Literal["sequential", "parallel"] = "sequential"
    inter_op_num_threads: StrictInt = Field(default=1, ge=1, le=256)
    allow_spinning: StrictBool = False
    enable_mem_pattern: StrictBool = True
    enable_cpu_mem_arena: StrictBool = True


class OnnxRuntime(Spec):
    """The ONNX Runtime backend. No execution providers means the CPU."""

    execution_providers: tuple[ExecutionProvider, ...] = ()
    session_options: SessionOptions = SessionOptions()


class Backend(Spec):
    """What runs the model: exactly one of these."""

    onnx_runtime: OnnxRuntime | None = None

    @model_validator(mode="after")
    def _exactly_one(self) -> "Backend":
        if sum(value is not None for value in self.__dict__.values()) != 1:
            raise PydanticCustomError("union", "expected exactly one backend: onnxRuntime")
        return self


MigProfile = Annotated[str, StringConstraints(pattern=MIG_PROFILE)]
Product = Annotated[str, StringConstraints(pattern=LABEL_VALUE, min_length=1)]


class Gpu(Spec):
    """What one replica needs of the GPUs of one machine."""

    count: StrictInt = Field(default=1, ge=1, le=MAX_GPUS)
    """How many GPUs (or MIG devices)."""

    memory: ByteSize | None = None
    """Memory on one GPU, which others share; without it the replica has the GPU to itself."""

    products: Annotated[tuple[Product, ...], Field(max_length=16)] = ()
    """The products that will do, as the node label `nvidia.com/gpu.product` names them; none means
    any."""

    mig: MigProfile | None = None
    """A MIG profile such as `1g.10gb`; without it the replica wants an undivided GPU."""

    @model_validator(mode="after")
    def _a_share_is_of_one(self) -> "Gpu":
        if self.memory is not None and self.count != 1:
            words = "memory is a share of one GPU. Leave it out, or say count: 1"
            raise PydanticCustomError("forbidden", words)
        return self


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
    max_queue_size: StrictInt = Field(default=512, ge=1, le=1_000_000)
    timeout: Timeout = Duration("30s")


class AdapterSource(Source):
    """A LoRA adapter of the model: what requests call it, and where its files are."""

    name: AdapterName
    """The `model` of a request that wants this adapter. Not the Model's own name."""


def _unique_names(adapters: tuple[AdapterSource, ...]) -> tuple[AdapterSource, ...]:
    if len({adapter.name for adapter in adapters}) != len(adapters):
        raise PydanticCustomError("adapters", "expected every adapter to have a name of its own")
    return adapters


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
        tuple[AdapterSource, ...], Field(max_length=MAX_ADAPTERS), AfterValidator(_unique_names)
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

    @model_validator(mode="after")
    def _in_order(self) -> "Scaling":
        if self.min_replicas > self.max_replicas:
            words = "expected minReplicas to be at most maxReplicas ({most})"
            raise PydanticCustomError("order", words, {"most": self.max_replicas})
        return self


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
    suspend: StrictBool = False

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

    @model_validator(mode="after")
    def _counted_in_one_way(self) -> "ModelSpec":
        if self.replicas is not None and self.scaling is not None:
            raise PydanticCustomError("union", "expected replicas or scaling, but not both")
        return self

    @field_validator("precision")
    @classmethod
    def _as_the_task_can(cls, said: Precision, info: ValidationInfo) -> Precision:
        if _generates(info) or said in (Precision.AUTO, Precision.FP32):
            return said
        words = "expected auto or fp32: only task text-generation is quantized"
        raise PydanticCustomError("precision", words)

    @field_validator("generation")
    @classmethod
    def _only_where_text_is_generated(
        cls, said: Generation | None, info: ValidationInfo
    ) -> Generation | None:
        if said is None or _generates(info):
            return said
        words = "task {task} generates no text. Leave it out, or say task: text-generation"
        raise PydanticCustomError("forbidden", words, {"task": info.data["task"].value})


def _generates(info: ValidationInfo) -> bool:
    """Whether the task is to generate text, or is not known because it is wrong itself."""
    return info.data.get("task", Task.TEXT_GENERATION) is Task.TEXT_GENERATION


class ReplicaCount(Wire):
    """Replicas that are wanted, and those that answer, with whichever generation."""

    desired: int = 0
    ready: int = 0


class Placement(Wire):
    """Where the replicas run, and which part of a GPU each has: `gpu_share` of one, that is
    `gpu_memory`, or `gpus` whole ones.
    """

    pool: str
    gpu_share: float | None = None
    gpu_memory: str | None = None
    gpus: int | None = None


class ModelFacts(Wire):
    """What was learnt from the model itself once it was loaded."""

    bytes: int = 0
    inputs: tuple[TensorSpec, ...] = ()
    outputs: tuple[TensorSpec, ...] = ()
    precision: str | None = None
    generation: GenerationFacts | None = None


class ModelStatus(Wire):
    """What is true of a Model now."""

    observed_generation: int = 0
    conditions: tuple[Condition, ...] = ()
    url: str | None = None
    revision: str | None = None
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
