"""Where a model is loaded, and how what that takes is measured and limited."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from shoal.api.model import Backend, ExecutionProvider, Source
from shoal.api.runtime import ModelRevision
from shoal.errors import MemoryExceeded
from shoal_serving.artifacts import Artifact, Cache, Progress, Vault
from shoal_serving.measure import Growth, mebibytes, memory_growth

# What CUDA and its libraries take of a GPU in a process, beside all that is asked for: a context,
# kernels, workspaces. On an H200 that are 690 to 840 MiB; where it is less, the rest stays free.
CUDA_BYTES = 896 * 2**20

# One load at a time in a process, so that what is measured belongs to one model.
_measuring = threading.Lock()


@dataclass(frozen=True, slots=True)
class Place:
    """A process: its cache, its sessions' threads, and the bytes that a model may add to it.

    `vault` holds the credentials that the model's namespace may use. `gpu`: the process has GPUs,
    of one of them `gpu_memory` bytes if it shares that with others, CUDA's own among them. That
    bounds each revision of the model: while one takes the place of another, the GPU holds both for
    a moment.
    """

    cache: Cache
    threads: int
    memory: int | None
    vault: Vault = field(default_factory=Vault)
    gpu: bool = False
    gpu_memory: int | None = None

    @property
    def gpu_room(self) -> int | None:
        """The bytes of the share that a model has for itself; None means all of a GPU."""
        return None if self.gpu_memory is None else self.gpu_memory - CUDA_BYTES

    def placed(self, revision: ModelRevision) -> ModelRevision:
        """The revision as it runs here: on the GPU, if there is one and nothing else is said."""
        runtime = revision.backend.onnx_runtime
        if not self.gpu or runtime is None or runtime.execution_providers:
            return revision
        there = runtime.model_copy(update={"execution_providers": (ExecutionProvider.CUDA,)})
        return revision.model_copy(update={"backend": Backend(onnx_runtime=there)})

    def fetch(self, source: Source, cached: str | None, progress: Progress) -> Artifact:
        """The source's files, preferably those with the digest `cached`; raises what `Cache.fetch`
        and `Vault.authorization` do.
        """
        secret = source.secret_name
        authorization = self.vault.authorization(secret, progress) if secret else None
        return self.cache.fetch(source.uri, source.digest, cached, progress, authorization)

    @contextmanager
    def measured(self) -> Iterator[Growth]:
        """Measure what the load inside adds, alone."""
        with _measuring, memory_growth() as growth:
            yield growth

    def check_gpu(self, name: str, taken: int, remedy: str) -> None:
        """Refuse a model that takes more of the GPU, beside CUDA, than its share.

        Raises:
            MemoryExceeded: it says both, and the remedy.
        """
        whole = taken + CUDA_BYTES
        words = (
            f"{name} takes {mebibytes(whole)} of the GPU, {mebibytes(CUDA_BYTES)} of it for CUDA"
        )
        _check(words, whole, self.gpu_memory, "spec.resources.gpu.memory", remedy)

    def check(self, name: str, peak: int, remedy: str) -> None:
        """Refuse a model that took more than it may.

        Raises:
            MemoryExceeded: it says both, and the remedy.
        """
        words = f"Loading {name} took {mebibytes(peak)}"
        _check(words, peak, self.memory, "spec.resources.memory", remedy)


def _check(words: str, taken: int, most: int | None, field: str, remedy: str) -> None:
    if most is not None and taken > most:
        raise MemoryExceeded(
            f"{words}; {field} allows {mebibytes(most)}.", f"Raise {field}, or lower {remedy}."
        )
