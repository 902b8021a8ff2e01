"""An application behind the server that a replica has, on a free port of this machine."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import uvicorn
from uvicorn.protocols.http import httptools_impl

from shoal_serving.http.server import write_heads_with_bodies

SMALL = 16 * 1024


@dataclass
class Served:
    """Where it is, and the server."""

    port: int
    server: uvicorn.Server

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def connections(self) -> int:
        return len(self.server.server_state.connections)

    async def lost_everyone(self) -> None:
        """Wait until nobody is connected."""
        while self.connections:
            await asyncio.sleep(0.001)


@contextlib.asynccontextmanager
async def served(app: Any) -> AsyncIterator[Served]:
    """Serves on this loop until the block ends; its sockets hold little that is not taken."""
    listening = socket.socket()
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SMALL)
    listening.bind(("127.0.0.1", 0))
    plain = httptools_impl.RequestResponseCycle
    write_heads_with_bodies()
    config = uvicorn.Config(app, http="httptools", lifespan="off", log_config=None)
    server = uvicorn.Server(config)
    config.load()
    server.lifespan = config.lifespan_class(config)
    await server.startup([listening])
    try:
        yield Served(listening.getsockname()[1], server)
    finally:
        server.force_exit = True
        await server.shutdown([listening])
        httptools_impl.RequestResponseCycle = plain
