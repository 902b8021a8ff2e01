"""From a revision to a model that answers: fetch → verify → load → warm → prove.

Blocking; runs in a worker thread. Every way to fail is a `LoadError` that says what to do.
"""

import json
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

from shoal import errors
from shoal.api.ledger import Bytes
from shoal.api.model import OnnxRuntime
from shoal.api.runtime import ModelRevision, revision_name
from shoal_serving.artifacts import Artifact, Cache, Progress
from shoal_serving.backends import Backend
from shoal_serving.backends.onnx import OnnxBackend
from shoal_serving.batched_model import BatchedModel
from shoal_serving.measure import give_back_memory, memory_growth
from shoal_serving.model import LoadedModel
from shoal_serving.proof import read_proof
from shoal_serving.tasks.open import open_task

CONVERTER = "shoal_serving.artifacts.convert"
# Bump it when the graphs that the converter writes change: cached ones are then made again.
CONVERTER_RECIPE = "onnx-1"

# One load at a time in a process, so that what is measured belongs to one model.
_measuring = threading.Lock()


def load_model(
    name: str,
    revision: ModelRevision,
    cache: Cache,
    threads: int,
    memory: int | None,
    progress: Progress,
) -> LoadedModel:
    """Load one revision and see it answer.

    `memory` is the most the model may add to the process, in bytes.

    Raises:
        LoadError: it cannot be served; nothing of it is left in memory.
    """
    source = revision.source
    artifact = cache.fetch(source.uri, source.digest, revision.cached, progress)
    graph = _find_graph(artifact, revision, cache, progress)
    with _measuring:
        model = _measured(name, revision, artifact, graph, threads, progress)
    if memory is not None and model.bytes.peak > memory:
        model.close()
        raise errors.MemoryExceeded(
            f"Loading {name} took {_mebibytes(model.bytes.peak)}; "
            f"spec.resources.memory allows {_mebibytes(memory)}.",
            "Raise spec.resources.memory, or lower spec.batching.maxBatchSize.",
        )
    return model


def _measured(
    name: str,
    revision: ModelRevision,
    artifact: Artifact,
    graph: Path,
    threads: int,
    progress: Progress,
) -> LoadedModel:
    with memory_growth() as growth:
        progress("load", 0, None)
        model = _open(name, revision, artifact, graph, threads)
        try:
            model.warm(lambda done, total: progress("warm", done, total))
            model.prove()
        except BaseException:
            model.close()
            raise
        give_back_memory()
    model.bytes = Bytes(file=artifact.size, resident=growth.resident, peak=growth.peak)
    return model


def _open(
    name: str, revision: ModelRevision, artifact: Artifact, graph: Path, threads: int
) -> BatchedModel:
    backend: Backend = OnnxBackend(graph, revision.backend.onnx_runtime or OnnxRuntime(), threads)
    try:
        task = open_task(revision.task, artifact.folder, backend)
        proof = read_proof(artifact.folder, task)
    except BaseException:
        backend.close()
        raise
    return BatchedModel(
        name=name,
        revision=revision_name(artifact.digest, revision),
        digest=artifact.digest,
        config=revision,
        task=task,
        backend=backend,
        proof=proof,
    )


def _find_graph(
    artifact: Artifact, revision: ModelRevision, cache: Cache, progress: Progress
) -> Path:
    """The folder's ONNX graph, or the one that its checkpoint is converted to."""
    folder = artifact.folder
    for candidate in (folder / "model.onnx", folder / "onnx" / "model.onnx"):
        if candidate.is_file():
            return candidate
    graphs = sorted(folder.glob("*.onnx"))
    if len(graphs) == 1:
        return graphs[0]
    if graphs:
        names = ", ".join(graph.name for graph in graphs)
        raise errors.ModelUnsupported(
            f"The source holds several graphs: {names}.", "Name the one to serve model.onnx."
        )
    progress("convert", 0, None)
    recipe = f"{CONVERTER_RECIPE}-{revision.task}"
    return cache.derive(artifact, recipe, _converter(folder, revision.task)) / "model.onnx"


def _converter(folder: Path, task: str) -> Callable[[Path], None]:
    return lambda out: _convert(folder, task, out / "model.onnx")


def _convert(folder: Path, task: str, out: Path) -> None:
    """Convert in a process of its own, whose memory is given back and whose crash is no concern."""
    # -P: a module that happens to lie in the folder we run in is not ours.
    command = [sys.executable, "-P", "-m", CONVERTER, str(folder), task, str(out)]
    done = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
    if done.returncode == 0:
        return
    said = _last_json(done.stdout)
    if said is None:
        raise errors.ModelLoadFailed(
            f"The converter died with status {done.returncode}: {_last_line(done.stderr)}.",
            "Export the checkpoint to ONNX and serve that.",
        )
    kind = _LOAD_ERRORS.get(said["reason"], errors.ModelLoadFailed)
    raise kind(said["message"], said["action"])


_LOAD_ERRORS: dict[str, type[errors.LoadError]] = {
    kind.reason: kind
    for kind in (errors.ArtifactRefused, errors.ModelUnsupported, errors.ModelLoadFailed)
}


def _last_json(text: str) -> dict[str, str] | None:
    try:
        said = json.loads(text.strip().splitlines()[-1])
    except (IndexError, json.JSONDecodeError):
        return None
    return said if isinstance(said, dict) and {"reason", "message", "action"} <= set(said) else None


def _last_line(text: str) -> str:
    lines = text.strip().splitlines()
    return lines[-1][:500] if lines else "it said nothing"


def _mebibytes(size: int) -> str:
    return f"{size / 2**20:.0f} MiB"
