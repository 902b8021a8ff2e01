"""The calls of CUDA's runtime library, to one that has the processor's memory."""

import ctypes

import numpy as np
import pytest

from shoal.errors import InferenceFailed, ProviderUnavailable
from shoal_serving.backends import cudart
from shoal_serving.generate.device_cache import Box, Extent

OUT_OF_MEMORY, OTHER = 2, 700


class Library:
    """Does what CUDA's documentation says, or fails with `status`."""

    def __init__(self):
        self.status = 0
        self.blocks = {}
        self.waited = 0

    def cudaMalloc(self, address, size):
        if not self.status:
            block = (ctypes.c_ubyte * size)(*[7] * size)
            address._obj.value = ctypes.addressof(block)
            self.blocks[ctypes.addressof(block)] = block
        return self.status

    def cudaMemset(self, address, value, size):
        ctypes.memset(address, value, size)
        return self.status

    def cudaFree(self, address):
        del self.blocks[address]
        return self.status

    def cudaMemcpy3D(self, parameters):
        p = parameters._obj
        assert (p.srcArray, p.dstArray, p.kind) == (None, None, 4)
        assert [(q.x, q.y, q.z) for q in (p.srcPos, p.dstPos)] == [(0, 0, 0)] * 2
        for z in range(p.extent.z):
            for y in range(p.extent.y):
                target, source = (q.ptr + (z * q.ysize + y) * q.pitch for q in (p.dstPtr, p.srcPtr))
                ctypes.memmove(target, source, p.extent.x)
        self.waited = 0
        return self.status

    def cudaStreamSynchronize(self, stream):
        assert stream is None
        self.waited += 1
        return self.status

    def cudaGetLastError(self):
        return self.status

    def cudaGetErrorString(self, status):
        return b"an illegal memory access was encountered"


@pytest.fixture
def library(monkeypatch):
    library = Library()
    monkeypatch.setattr(cudart, "_library", lambda: library)
    return library


@pytest.fixture
def memory(library):
    return cudart.CudaMemory()


def test_memory_is_zero_and_is_freed(library, memory):
    address = memory.allocate(100)
    assert bytes(library.blocks[address]) == bytes(100)
    assert library.waited
    memory.free(address)
    assert not library.blocks


def test_a_box_is_copied_and_is_there_on_return(library, memory):
    source = np.arange(4 * 5 * 6, dtype=np.uint8).reshape(4, 5, 6)
    target = np.zeros((4, 3, 2), np.uint8)
    at = source.ctypes.data + 1 * 6 + 3
    memory.copy(Box(at, 6, 5), Box(target.ctypes.data, 2, 3), Extent(2, 3, 4))
    np.testing.assert_array_equal(target, source[:, 1:4, 3:5])
    assert library.waited


def test_too_little_memory_is_a_memory_error(library, memory):
    library.status = OUT_OF_MEMORY
    with pytest.raises(MemoryError, match="no 100 bytes left"):
        memory.allocate(100)


def test_any_other_failure_is_told_in_cudas_words(library, memory):
    library.status = OTHER
    box = Box(np.zeros(1, np.uint8).ctypes.data, 1, 1)
    with pytest.raises(InferenceFailed, match=r"illegal memory access was encountered \(700\)"):
        memory.copy(box, box, Extent(0, 0, 0))


def test_without_a_session_on_a_gpu_there_is_no_library():
    with pytest.raises(ProviderUnavailable, match="expected libcudart"):
        cudart.CudaMemory()
