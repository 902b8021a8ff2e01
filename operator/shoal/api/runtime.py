"""What a replica is handed: `ReplicaConfig` as `args`, `ModelsConfig` as `user_config`.

A change of `args` starts new replicas beside the old ones; a change of `user_config` is taken in
place by the running ones. So everything about one model is in `ModelsConfig`, and only what belongs
to the process is in `ReplicaConfig`.
"""

import hashlib
import json
from collections.abc import Mapping

from pydantic import Field

from shoal.api.base import Wire
from shoal.api.model import Backend, Batching, Digest, Generation, KvCache, Precision, Source, Task

DEPLOYMENT = "Replica"
IMPORT_PATH = "shoal_serving.app:build"
LEDGER_APPLICATION = "shoal-ledger"
LEDGER_IMPORT_PATH = "shoal_serving.ledger:build"
LEDGER_PREFIX = "/-/shoal"
DOOR_DEPLOYMENT = "Door"
DOOR_IMPORT_PATH = "shoal_serving.door:build"
SERVE_PORT = 8000
"""Of Ray Serve in every pod of a Fleet, and of its Service."""


class ReplicaConfig(Wire):
    """One replica's process. `memory` is in bytes; `threads` is one session's.

    `gpu`: Ray gives the process GPUs, and the model runs there unless its execution providers say
    otherwise. `gpu_memory` is its share of the one GPU, in bytes; None means all of them.
    `attempt` does nothing but differ, where Ray Serve must try the same again.
    """

    fleet: str
    threads: int = 1
    memory: int | None = None
    gpu: bool = False
    gpu_memory: int | None = None
    max_body_bytes: int = 64 * 2**20
    access_log: bool = False
    attempt: int = 0


class ModelRevision(Wire):
    """One thing to load. `cached` names bytes to prefer, if the machine still holds them, and
    `cached_adapters` those of adapters, by name.

    `generation` is the resource's; the spec's field of that name is `text_generation`, and is there
    for that task only.
    """

    generation: int
    task: Task
    source: Source
    backend: Backend
    batching: Batching
    precision: Precision = Precision.AUTO
    text_generation: Generation | None = None
    cached: Digest | None = None
    cached_adapters: dict[str, Digest] = Field(default_factory=dict)


class ModelConfig(Wire):
    """One model of a replica: the revision wanted, and the one to serve if that does not load.

    `uid` tells a Model from an earlier one of the same name. `first_attempt` is the `attempt` with
    which the wanted generation began, for who counts how often that was tried.
    """

    namespace: str
    name: str
    uid: str = ""
    wanted: ModelRevision
    fallback: ModelRevision | None = None
    first_attempt: int = 0

    @property
    def key(self) -> str:
        """`namespace/name`, as the ledger and the address write it."""
        return f"{self.namespace}/{self.name}"


class ModelsConfig(Wire):
    """Every model of a replica, by its `namespace/name`."""

    models: dict[str, ModelConfig] = Field(default_factory=dict)


def same_artifact(one: ModelRevision, other: ModelRevision) -> bool:
    """Whether both load the same files in the same way. What `text_generation` says is loaded too:
    its limits are the size of the KV cache.
    """
    return _loaded(one) == _loaded(other)


def _loaded(revision: ModelRevision) -> tuple[object, ...]:
    how = (revision.task, revision.backend, revision.precision)
    return (revision.source, *how, revision.text_generation)


def revision_name(
    digest: str, revision: ModelRevision, adapters: Mapping[str, str] | None = None
) -> str:
    """The first 8 hex digits of the sha256 over the bytes and the fields that change the answers.

    `adapters` has the digest of each adapter's bytes, by name. Limits (batching, and those of
    generation) and addresses do not count: the same bytes read the same way are the same revision.
    """
    fields = revision.model_dump(mode="json", include={"task", "backend"})
    # Only what is said: what does not speak of them keeps the name that it always had.
    if revision.precision is not Precision.AUTO:
        fields["precision"] = revision.precision
    if revision.text_generation and revision.text_generation.kv_cache is not KvCache.AUTO:
        fields["kv_cache"] = revision.text_generation.kv_cache
    if adapters:
        fields["adapters"] = dict(adapters)
    text = json.dumps({"digest": digest, **fields}, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:8]


def door_application(pool: str) -> str:
    """The Serve application of a pool's doors. Those of Models have a dot in their names."""
    return f"shoal-door-{pool}"
