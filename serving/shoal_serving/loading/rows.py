"""Where the keys and values of running sequences are kept: where the session computes."""

from shoal.errors import InferenceFailed, MemoryExceeded, ModelLoadFailed
from shoal_serving.backends.cudart import CudaMemory
from shoal_serving.device import Device
from shoal_serving.generate.cache import KeyValueCache, KeyValues, Layout
from shoal_serving.generate.device_cache import DeviceCache
from shoal_serving.measure import mebibytes


def open_rows(layout: Layout, rows: int, capacity: int, device: Device) -> KeyValues:
    """Room for `rows` sequences of `capacity` tokens; a session must run on the device already.

    Raises:
        MemoryExceeded: there is not as much.
        ModelLoadFailed: the device fails.
        ProviderUnavailable: no session runs on it.
    """
    try:
        if device is Device.CUDA:
            return DeviceCache(layout, rows, capacity, CudaMemory())
        return KeyValueCache(layout, rows, capacity)
    except MemoryError as error:
        holder = "The GPU" if device is Device.CUDA else "This machine"
        raise MemoryExceeded(
            f"{holder} has no {mebibytes(layout.token_bytes * rows * capacity)} for the KV cache.",
            "Lower spec.generation.maxSequences or .maxTokens.",
        ) from error
    except InferenceFailed as error:
        raise ModelLoadFailed(
            f"The GPU gives no memory: {error}.", "Check the GPU and its driver."
        ) from error
