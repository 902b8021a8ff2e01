"""The processor's memory where a GPU's would be: what is copied is copied byte by byte."""

import ctypes

from shoal.errors import InferenceFailed


class HostMemory:
    """At most `limit` bytes. `shares` are what each session may take of it besides."""

    device = "cpu"

    def __init__(self, limit=2**40):
        self.limit = limit
        self.blocks = {}
        self.shares = []
        self.broken = False

    def allocate(self, size):
        if sum(map(len, self.blocks.values())) + size > self.limit:
            raise MemoryError
        block = (ctypes.c_ubyte * size)()
        self.blocks[ctypes.addressof(block)] = block
        return ctypes.addressof(block)

    def free(self, address):
        del self.blocks[address]

    def copy(self, source, target, extent):
        if self.broken:
            raise InferenceFailed("the device fails")
        for plane in range(extent.planes):
            for line in range(extent.lines):
                ctypes.memmove(
                    target.address + (plane * target.lines + line) * target.pitch,
                    source.address + (plane * source.lines + line) * source.pitch,
                    extent.width,
                )
