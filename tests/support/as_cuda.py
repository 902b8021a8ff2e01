"""A model that is to run on a GPU, where there is none: only the session and the memory differ."""

from host_memory import HostMemory

from shoal.api.model import Backend, ExecutionProvider, OnnxRuntime
from shoal_serving.backends.onnx import open_session
from shoal_serving.loading import generative, rows

CUDA = Backend(onnx_runtime=OnnxRuntime(execution_providers=(ExecutionProvider.CUDA,)))


def on_cuda(revision):
    """A revision, for a GPU."""
    return revision.model_copy(update={"backend": CUDA})


def without_a_gpu(monkeypatch, memory=None):
    """From here on the processor does what a GPU is asked to do. Gives its memory."""
    memory = memory or HostMemory()
    monkeypatch.setattr(generative, "open_session", opening_here(memory.shares))
    monkeypatch.setattr(rows, "CudaMemory", lambda: memory)
    return memory


def opening_here(shares):
    """Opens sessions on the processor, and adds what each may take of a GPU to `shares`."""

    def open_here(path, runtime, threads, spinning=False, gpu_memory=None):
        shares.append(gpu_memory)
        here = runtime.model_copy(update={"execution_providers": ()})
        return open_session(path, here, threads, spinning)

    return open_here
