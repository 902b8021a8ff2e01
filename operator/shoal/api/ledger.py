"""The fleet's ledger: what every replica says of every model it holds.

Soft state. Replicas push on every change and every `HEARTBEAT_S`; an entry that was not renewed for
`EXPIRY_S` is dropped. `state`, `generation` and `failure` speak of the revision that is wanted;
`revision` and `served_generation` of the one that answers now, so a swap that failed shows as
`Failed` beside a revision that still serves.
"""

from datetime import datetime
from enum import StrEnum

from pydantic import Field

from shoal.api.base import Wire
from shoal.api.conditions import Failure
from shoal.api.tensors import TensorSpec

HEARTBEAT_S = 5.0
EXPIRY_S = 15.0


class ReplicaState(StrEnum):
    """What a replica does with the wanted revision of a model."""

    LOADING = "Loading"
    READY = "Ready"
    FAILED = "Failed"
    DRAINING = "Draining"


class Progress(Wire):
    """How far a load is: bytes while fetching, runs while warming."""

    step: str
    done: int = 0
    total: int | None = None


class Bytes(Wire):
    """Measured sizes, in bytes: the files, what loading added for good, and at its highest.

    `gpu` is what is known of a GPU's memory: weights, and all room for keys and values; not what
    runs need beside them, and not CUDA's own.
    """

    file: int = 0
    resident: int = 0
    peak: int = 0
    gpu: int = 0


class Requests(Wire):
    """Requests since the replica started."""

    served: int = 0
    failed: int = 0


class ReplicaReport(Wire):
    """What one replica says of one model. `uid` is the one of its configuration.

    `digest` is that of the bytes that serve, `adapters` those of each adapter's, by name.
    """

    node: str = ""
    uid: str = ""
    state: ReplicaState
    generation: int
    revision: str | None = None
    served_generation: int | None = None
    digest: str | None = None
    adapters: dict[str, str] = Field(default_factory=dict)
    progress: Progress | None = None
    bytes: Bytes = Bytes()
    requests: Requests = Requests()
    failure: Failure | None = None
    reported: datetime


class GenerationFacts(Wire):
    """What a model that generates text has room for, as it was loaded."""

    sequences: int
    """How many sequences run at once."""

    tokens: int
    """The most tokens of one sequence, prompt and answer."""

    kv_bytes: int
    """The size of the KV cache, in bytes."""

    adapters: tuple[str, ...] = ()
    """The adapters that requests may ask for, by name."""


class ModelReport(Wire):
    """What the fleet knows of one model; `replicas` by Ray's replica id.

    `precision` is what the weights are kept in; `generation` is there if it generates text.
    """

    inputs: tuple[TensorSpec, ...] = ()
    outputs: tuple[TensorSpec, ...] = ()
    precision: str | None = None
    generation: GenerationFacts | None = None
    replicas: dict[str, ReplicaReport] = Field(default_factory=dict)


class Ledger(Wire):
    """The whole fleet, by `namespace/name`."""

    models: dict[str, ModelReport] = Field(default_factory=dict)
