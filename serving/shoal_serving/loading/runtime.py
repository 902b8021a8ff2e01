"""What a revision asks of ONNX Runtime, and the device that it asks for."""

from shoal.api.model import ExecutionProvider, OnnxRuntime
from shoal.api.runtime import ModelRevision
from shoal.errors import ModelUnsupported
from shoal_serving.device import Device

_DEVICES = {ExecutionProvider.CPU: Device.CPU, ExecutionProvider.CUDA: Device.CUDA}


def runtime_of(revision: ModelRevision) -> OnnxRuntime:
    """What the revision asks of ONNX Runtime; the defaults where it asks for nothing."""
    return revision.backend.onnx_runtime or OnnxRuntime()


def device_of(runtime: OnnxRuntime) -> Device:
    """The device of the first execution provider, which gets every operator that it knows.

    Raises:
        ModelUnsupported: decoders do not run there.
    """
    first = next(iter(runtime.execution_providers), ExecutionProvider.CPU)
    if first not in _DEVICES:
        raise ModelUnsupported(
            f"Task text-generation runs on {' or '.join(_DEVICES)}; {first} was asked for.",
            "Change spec.backend.onnxRuntime.executionProviders.",
        )
    return _DEVICES[first]
