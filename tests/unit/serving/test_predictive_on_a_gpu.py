"""Models that answer in one run, as on a GPU: the session is the processor's."""

import pytest
from as_cuda import CUDA, opening_here
from chat_models import MODELS

from shoal.api.model import Batching, Source, Task
from shoal.api.runtime import ModelRevision
from shoal.errors import MemoryExceeded, MemoryUsedUp
from shoal_serving.artifacts import Cache
from shoal_serving.backends import onnx
from shoal_serving.loading import Place, load_model
from shoal_serving.loading.place import CUDA_BYTES

DIGITS = MODELS / "digits"
GRAPH_BYTES = (DIGITS / "model.onnx").stat().st_size


@pytest.fixture
def shares(monkeypatch):
    """What each session may take of the GPU."""
    taken = []
    monkeypatch.setattr(onnx, "open_session", opening_here(taken))
    return taken


@pytest.fixture
def load(tmp_path):
    models = []

    def load(share):
        place = Place(Cache(tmp_path), 1, None, gpu=True, gpu_memory=share)
        revision = ModelRevision(
            generation=1,
            task=Task.TENSOR,
            source=Source(uri=DIGITS.as_uri()),
            backend=CUDA,
            batching=Batching(max_batch_size=8),
        )
        models.append(load_model("digits", revision, place, lambda *step: None))
        return models[-1]

    yield load
    for model in models:
        model.close()


def test_a_session_gets_the_share_without_what_cuda_takes(load, shares):
    model = load(CUDA_BYTES + 2**28)
    assert shares == [2**28]
    assert model.bytes.gpu == GRAPH_BYTES


def test_a_session_that_shares_with_nobody_gets_what_there_is(load, shares):
    load(None)
    assert shares == [None]


def test_a_share_that_cuda_itself_takes_is_refused_before_any_of_it_is_taken(load, shares):
    with pytest.raises(MemoryExceeded, match=r"digits takes 896 MiB .*gpu\.memory allows 512 MiB"):
        load(2**29)
    assert not shares


def test_a_batch_for_which_the_share_is_too_small_is_told(load, shares, monkeypatch):
    run = onnx.OnnxBackend.run

    def small(backend, inputs, outputs=None):
        if next(iter(inputs.values())).shape[0] > 4:
            raise MemoryUsedUp("the model's share of the GPU is used up")
        return run(backend, inputs, outputs)

    monkeypatch.setattr(onnx.OnnxBackend, "run", small)
    with pytest.raises(MemoryExceeded, match=r"does not run 8 rows at once: .* used up") as refused:
        load(CUDA_BYTES + 2**28)
    assert "spec.batching.maxBatchSize" in refused.value.action
