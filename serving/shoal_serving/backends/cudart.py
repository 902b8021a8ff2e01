"""The memory of a GPU, by NVIDIA's runtime library: what ONNX Runtime's Python API leaves out.

The library is the one that ONNX Runtime's CUDA provider has loaded, and so is the GPU's context.
Functions and structures: https://docs.nvidia.com/cuda/cuda-runtime-api, "Memory Management".
ONNX Runtime's own allocator is not used: it takes up to twice of what is asked for, and keeps it.
"""

import ctypes
import os
from ctypes import POINTER, byref, c_char_p, c_int, c_size_t, c_void_p
from typing import Any

from shoal.errors import InferenceFailed, ProviderUnavailable
from shoal_serving.device import Device
from shoal_serving.generate.device_cache import Box, Extent

# By the major version that ONNX Runtime was built for.
_LIBRARIES = ("libcudart.so.13", "libcudart.so.12")
_OUT_OF_MEMORY = 2  # cudaErrorMemoryAllocation
_EITHER_WAY = 4  # cudaMemcpyDefault: the addresses tell where they are


class _Pointer(ctypes.Structure):
    """cudaPitchedPtr."""

    _fields_ = (("ptr", c_void_p), ("pitch", c_size_t), ("xsize", c_size_t), ("ysize", c_size_t))


class _Sizes(ctypes.Structure):
    """cudaPos and cudaExtent."""

    _fields_ = (("x", c_size_t), ("y", c_size_t), ("z", c_size_t))


class _Copy(ctypes.Structure):
    """cudaMemcpy3DParms."""

    _fields_ = (
        ("srcArray", c_void_p),
        ("srcPos", _Sizes),
        ("srcPtr", _Pointer),
        ("dstArray", c_void_p),
        ("dstPos", _Sizes),
        ("dstPtr", _Pointer),
        ("extent", _Sizes),
        ("kind", c_int),
    )


class CudaMemory:
    """GPU 0's; may be used from any thread.

    Every method raises InferenceFailed, in CUDA's words, where a call fails.
    """

    device = Device.CUDA.value

    def __init__(self) -> None:
        """Raises ProviderUnavailable: no session has loaded the library."""
        self._library = _library()

    def allocate(self, size: int) -> int:
        address = c_void_p()
        status = self._library.cudaMalloc(byref(address), size)
        if status == _OUT_OF_MEMORY:
            self._library.cudaGetLastError()  # else the next call of anybody tells it again
            raise MemoryError(f"the GPU has no {size} bytes left")
        self._check(status)
        assert address.value is not None
        self._check(self._library.cudaMemset(address, 0, size))
        self._wait()
        return address.value

    def free(self, address: int) -> None:
        self._check(self._library.cudaFree(address))

    def copy(self, source: Box, target: Box, extent: Extent) -> None:
        copy = _Copy(
            srcPtr=_pointer(source),
            dstPtr=_pointer(target),
            extent=_Sizes(extent.width, extent.lines, extent.planes),
            kind=_EITHER_WAY,
        )
        self._check(self._library.cudaMemcpy3D(byref(copy)))
        self._wait()

    def _wait(self) -> None:
        """Sessions compute on streams of their own, which do not wait for the default one."""
        self._check(self._library.cudaStreamSynchronize(None))

    def _check(self, status: int) -> None:
        if status:
            said = self._library.cudaGetErrorString(status)
            raise InferenceFailed(f"CUDA failed: {said.decode()} ({status})")


def _pointer(box: Box) -> _Pointer:
    return _Pointer(box.address, box.pitch, box.pitch, box.lines)


def _library() -> Any:
    for name in _LIBRARIES:
        try:
            # Only one that is in the process already: its soname finds it wherever it lies.
            return _declared(ctypes.CDLL(name, mode=os.RTLD_NOLOAD | os.RTLD_LAZY))
        except OSError:
            continue
    raise ProviderUnavailable(
        f"CUDA's runtime library is not loaded; expected {' or '.join(_LIBRARIES)}.",
        "Use the onnxruntime-gpu that `shoal[serving-gpu]` names, with its CUDA libraries.",
    )


def _declared(library: ctypes.CDLL) -> ctypes.CDLL:
    library.cudaMalloc.argtypes = (POINTER(c_void_p), c_size_t)
    library.cudaMemset.argtypes = (c_void_p, c_int, c_size_t)
    library.cudaFree.argtypes = (c_void_p,)
    library.cudaMemcpy3D.argtypes = (POINTER(_Copy),)
    library.cudaStreamSynchronize.argtypes = (c_void_p,)
    library.cudaGetErrorString.argtypes = (c_int,)
    library.cudaGetErrorString.restype = c_char_p
    return library
