"""Models that answer in one run."""

from pathlib import Path

from shoal.api.ledger import Bytes
from shoal.api.model import ExecutionProvider
from shoal.api.runtime import ModelRevision, revision_name
from shoal.errors import ModelUnsupported
from shoal_serving.artifacts import Artifact, Progress
from shoal_serving.backends import Backend
from shoal_serving.backends.onnx import OnnxBackend
from shoal_serving.batched_model import BatchedModel
from shoal_serving.loading.conversion import converted
from shoal_serving.loading.place import Place
from shoal_serving.loading.runtime import runtime_of
from shoal_serving.loading.share import weights_of
from shoal_serving.measure import give_back_memory
from shoal_serving.proof import read_proof
from shoal_serving.tasks.open import open_task


def load_batched(
    name: str, revision: ModelRevision, place: Place, progress: Progress
) -> BatchedModel:
    """Load a model of any task but text-generation.

    Raises:
        LoadError: it cannot be served.
    """
    artifact = place.fetch(revision.source, revision.cached, progress)
    graph = _find_graph(artifact) or converted(artifact, revision, place.cache, progress)
    model = _measured(name, revision, artifact, graph, place, progress)
    try:
        place.check(name, model.bytes.peak, "spec.batching.maxBatchSize")
    except BaseException:
        model.close()
        raise
    return model


def _measured(
    name: str,
    revision: ModelRevision,
    artifact: Artifact,
    graph: Path,
    place: Place,
    progress: Progress,
) -> BatchedModel:
    with place.measured() as growth:
        progress("load", 0, None)
        model = _open(name, revision, artifact, graph, place)
        try:
            model.warm(lambda done, total: progress("warm", done, total))
            model.prove()
        except BaseException:
            model.close()
            raise
        give_back_memory()
    gpu = weights_of(graph) if _on_gpu(revision) else 0
    model.bytes = Bytes(file=artifact.size, resident=growth.resident, peak=growth.peak, gpu=gpu)
    return model


def _open(
    name: str, revision: ModelRevision, artifact: Artifact, graph: Path, place: Place
) -> BatchedModel:
    if _on_gpu(revision):
        place.check_gpu(name, weights_of(graph), "the size of the model")
    backend: Backend = OnnxBackend(graph, runtime_of(revision), place.threads, place.gpu_room)
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


def _on_gpu(revision: ModelRevision) -> bool:
    return ExecutionProvider.CUDA in runtime_of(revision).execution_providers


def _find_graph(artifact: Artifact) -> Path | None:
    """The folder's ONNX graph; None where there is only a checkpoint."""
    folder = artifact.folder
    for candidate in (folder / "model.onnx", folder / "onnx" / "model.onnx"):
        if candidate.is_file():
            return candidate
    graphs = sorted(folder.glob("*.onnx"))
    if len(graphs) > 1:
        names = ", ".join(graph.name for graph in graphs)
        raise ModelUnsupported(
            f"The source holds several graphs: {names}.", "Name the one to serve model.onnx."
        )
    return graphs[0] if graphs else None
