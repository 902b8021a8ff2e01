"""From a revision to a model that answers: fetch → convert → load → warm → prove.

Blocking; runs in a worker thread. Every way to fail is a `LoadError` that says what to do, and
leaves nothing in memory. What a model is, and how it answers, is not known here.
"""

from shoal.api.model import Task
from shoal.api.runtime import ModelRevision
from shoal_serving.artifacts import Progress
from shoal_serving.loading.batched import load_batched
from shoal_serving.loading.generative import load_generative
from shoal_serving.loading.place import Place
from shoal_serving.model import LoadedModel

__all__ = ["Place", "load_model"]


def load_model(
    name: str,
    revision: ModelRevision,
    place: Place,
    progress: Progress,
    serving: LoadedModel | None = None,
) -> LoadedModel:
    """Load one revision and see it answer.

    `serving`, the model that serves now, is given back where it could take over all that the
    revision changes: its adapters.

    Raises:
        LoadError: it cannot be served; nothing of it is left in memory.
    """
    revision = place.placed(revision)
    if revision.task is Task.TEXT_GENERATION:
        return load_generative(name, revision, place, progress, serving)
    return load_batched(name, revision, place, progress)
