"""uvicorn, as a replica has it: its own protocol over a transport that records every write."""

import asyncio

import pytest
from uvicorn import Config
from uvicorn.protocols.http import httptools_impl
from uvicorn.server import ServerState

from shoal_serving.http.server import write_heads_with_bodies

GET = b"GET / HTTP/1.1\r\nhost: a\r\n\r\n"
HEAD = {"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"4")]}
STREAM = {"type": "http.response.start", "status": 200, "headers": []}


class RecordingTransport(asyncio.Transport):
    """`writes` has what each system call would carry."""

    def __init__(self):
        super().__init__()
        self.writes = []
        self.closed = False

    def write(self, data):
        self.writes.append(bytes(data))

    def writelines(self, parts):
        self.write(b"".join(parts))

    def is_closing(self):
        return self.closed

    def close(self):
        self.closed = True


@pytest.fixture(autouse=True)
def one_write(monkeypatch):
    monkeypatch.setattr(httptools_impl, "RequestResponseCycle", httptools_impl.RequestResponseCycle)
    write_heads_with_bodies()


async def exchanged(*messages, request=GET):
    """The transport after an application sent these messages."""

    async def app(scope, receive, send):
        for message in messages:
            await send(message)

    transport, state = RecordingTransport(), ServerState()
    config = Config(app, lifespan="off", log_config=None)
    config.load()
    protocol = httptools_impl.HttpToolsProtocol(config, state, {}, asyncio.get_running_loop())
    protocol.connection_made(transport)
    protocol.data_received(request)
    await asyncio.gather(*state.tasks)
    protocol.connection_lost(ConnectionResetError())  # else it would close the transport itself
    return transport


def body(data, more=False):
    return {"type": "http.response.body", "body": data, "more_body": more}


async def test_a_response_leaves_in_one_write():
    transport = await exchanged(HEAD, body(b"four"))
    [written] = transport.writes
    assert written.startswith(b"HTTP/1.1 200 OK\r\n")
    assert written.endswith(b"\r\n\r\nfour")
    assert not transport.closed


async def test_a_stream_leaves_part_by_part():
    first, second = (await exchanged(STREAM, body(b"one", more=True), body(b"two"))).writes
    assert first.startswith(b"HTTP/1.1 200 OK\r\n")
    assert first.endswith(b"3\r\none\r\n")
    assert second == b"3\r\ntwo\r\n0\r\n\r\n"


async def test_a_connection_that_ends_gets_its_response_first():
    request = GET.replace(b"\r\n\r\n", b"\r\nconnection: close\r\n\r\n")
    transport = await exchanged(HEAD, body(b"four"), request=request)
    assert transport.writes[0].endswith(b"four")
    assert transport.closed


async def test_a_head_without_a_body_becomes_a_500():
    [written] = (await exchanged(HEAD)).writes
    assert written.startswith(b"HTTP/1.1 500 ")
