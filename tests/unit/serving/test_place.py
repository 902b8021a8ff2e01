import pytest

from shoal.api.model import Backend, ExecutionProvider, OnnxRuntime, Source, Task
from shoal.api.runtime import ModelRevision
from shoal.errors import MemoryExceeded
from shoal_serving.artifacts import Cache
from shoal_serving.backends import onnx
from shoal_serving.loading import Place
from shoal_serving.loading.place import CUDA_BYTES

CPU, CUDA = ExecutionProvider.CPU, ExecutionProvider.CUDA


@pytest.fixture
def place_of(tmp_path):
    return lambda **said: Place(Cache(tmp_path), threads=1, memory=None, **said)


def providers_of(place, *said):
    runtime = OnnxRuntime(execution_providers=said)
    revision = ModelRevision(
        generation=1,
        task=Task.TENSOR,
        source=Source(uri="file:///models/m"),
        backend=Backend(onnx_runtime=runtime),
        batching={},
    )
    return place.placed(revision).backend.onnx_runtime.execution_providers


def test_a_process_with_gpus_runs_a_model_there_unless_it_says_otherwise(place_of):
    assert providers_of(place_of(gpu=True)) == (CUDA,)
    assert providers_of(place_of(gpu=True), CPU) == (CPU,)
    assert providers_of(place_of()) == ()


def test_a_share_of_a_gpu_is_not_exceeded(place_of):
    place = place_of(gpu=True, gpu_memory=CUDA_BYTES + 2**30)
    assert place.gpu_room == 2**30
    place.check_gpu("chat", 2**30, "maxTokens")
    words = r"chat takes 1921 MiB of the GPU, 896 MiB of it for CUDA; spec\.resources\.gpu\.memory"
    with pytest.raises(MemoryExceeded, match=words):
        place.check_gpu("chat", 2**30 + 2**20, "maxTokens")


def test_cudas_arena_is_as_large_as_the_share(tmp_path, monkeypatch):
    asked = []

    def open_session(*arguments, providers, **more):
        asked.append(providers)
        raise RuntimeError("no GPU")

    monkeypatch.setattr(onnx.ort, "get_available_providers", lambda: [CUDA, CPU])
    monkeypatch.setattr(onnx.ort, "preload_dlls", lambda: None)
    monkeypatch.setattr(onnx.ort, "InferenceSession", open_session)
    for share in (None, 2**30):
        with pytest.raises(onnx.ModelLoadFailed):
            onnx.open_session(
                tmp_path / "m.onnx", OnnxRuntime(execution_providers=(CUDA,)), 1, gpu_memory=share
            )
    (whole,), (limited,) = asked
    growth = {"arena_extend_strategy": "kSameAsRequested"}
    assert whole == (CUDA, growth)
    assert limited == (CUDA, growth | {"gpu_mem_limit": str(2**30)})
