"""`shoal-haproxy` as Ray's own code runs it: real HAProxy, one replica of a few lines behind it."""

import asyncio
import json
import os
import re
import signal
import subprocess
import sys
import warnings

import httpx
import psutil
import pytest

from shoal.api.serve_environment import FAST_MODE
from shoal_serving import leaving

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # Ray's import warns of its own use of pydantic
    from ray.serve._private import haproxy
    from ray.serve.config import HTTPOptions


@pytest.fixture
def program(tmp_path):
    """An executable file, as the console script is one."""
    path = tmp_path / "shoal-haproxy"
    path.write_text(f"#!{sys.executable}\nfrom shoal_serving.haproxy import main\nmain()\n")
    path.chmod(0o755)
    return path


STATUSES = {
    "busy": b"503 Busy\r\nRetry-After: 9\r\nContent-Type: application/json",
    "nobody": b"503 Service Unavailable\r\nContent-Type: text/plain; charset=utf-8",
}


class Replica:
    """An HTTP server that answers with the request's headers; `seen` are the paths in order."""

    def __init__(self):
        self.seen = []
        self.called = asyncio.Event()

    async def serve(self, reader, writer):
        try:
            while await self.answer(reader, writer):
                pass
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    async def answer(self, reader, writer):
        request = await reader.readuntil(b"\r\n\r\n")
        path = request.split()[1].decode()
        if not path.startswith("/ops/"):  # HAProxy's own check
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
            return True
        self.seen.append(path)
        self.called.set()
        if path.endswith("/waits"):
            await reader.read()
        await reader.readexactly(length(request))
        if path.endswith("/breaks-off") or (path.endswith("/once") and len(self.seen) == 1):
            return False
        status = STATUSES.get(path.rpartition("/")[2], b"200 OK")
        writer.write(b"HTTP/1.1 %b\r\nContent-Length: %d\r\n\r\n" % (status, len(request)))
        writer.write(request)
        return True


def length(head):
    found = re.search(rb"(?i)\r\ncontent-length: *(\d+)", head)
    return int(found[1]) if found else 0


@pytest.fixture
async def replica():
    replica = Replica()
    server = await asyncio.start_server(replica.serve, "127.0.0.1", 0)
    replica.port = server.sockets[0].getsockname()[1]
    yield replica
    server.close()


@pytest.fixture
async def proxy(tmp_path, program, replica, unused_tcp_port_factory, monkeypatch):
    """Ray's handle on a running HAProxy; `ops.chat` is answered, `ops.gone` has no replica."""
    monkeypatch.setattr(haproxy, "RAY_SERVE_HAPROXY_BINARY_PATH", str(program))
    config = haproxy.HAProxyConfig(
        http_options=HTTPOptions(host="127.0.0.1", port=unused_tcp_port_factory()),
        metrics_port=unused_tcp_port_factory(),
        stats_port=unused_tcp_port_factory(),
        socket_path=str(tmp_path / "admin.sock"),
        server_state_base=str(tmp_path),
        server_state_file=str(tmp_path / "server-state"),
        metrics_enabled=False,
        has_received_routes=True,
        is_head=True,
        retry_on=FAST_MODE["RAY_SERVE_HAPROXY_RETRY_ON"],
        retries=int(FAST_MODE["RAY_SERVE_HAPROXY_RETRIES"]),
        bufsize=int(FAST_MODE["RAY_SERVE_HAPROXY_TUNE_BUFSIZE"]),
    )
    ports = {"chat": replica.port, "gone": unused_tcp_port_factory()}
    backends = {f"http-ops.{name}": backend(name, port) for name, port in ports.items()}
    api = haproxy.HAProxyApi(config, backends, str(tmp_path / "haproxy.cfg"))
    await api.start()
    yield api
    await api.stop()


def backend(name, port):
    server = haproxy.ServerConfig(f"{name}-1", "127.0.0.1", port)
    return haproxy.BackendConfig(
        f"http-ops.{name}", f"/ops/{name}", app_name=f"ops.{name}", servers=[server]
    )


@pytest.fixture
async def client(proxy):
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{proxy.cfg.frontend_port}") as client:
        yield client


async def test_a_request_that_every_replica_breaks_off_is_a_502_after_four_tries(client, replica):
    answer = await client.get("/ops/chat/breaks-off")
    assert (answer.status_code, list(answer.json())) == (502, ["error"])
    assert len(replica.seen) == 4


@pytest.fixture
async def connection(proxy):
    reader, writer = await asyncio.open_connection("127.0.0.1", proxy.cfg.frontend_port)
    yield reader, writer
    writer.close()


async def test_a_request_whose_body_came_late_is_asked_again_when_a_replica_breaks_off(
    connection, replica
):
    reader, writer = connection
    head = "POST /ops/chat/once HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nExpect: 100-continue"
    writer.write(f"{head}\r\n\r\n".encode())
    assert await within(reader.readuntil(b"\r\n\r\n")) == b"HTTP/1.1 100 Continue\r\n\r\n"
    assert replica.seen == []
    writer.write(b"body")
    assert (await within(reader.readline())).startswith(b"HTTP/1.1 200 ")
    assert replica.seen == ["/ops/chat/once"] * 2


async def test_a_body_larger_than_the_buffer_streams(connection, proxy, replica):
    reader, writer = connection
    part = b"x" * 2 * proxy.cfg.bufsize
    head = f"POST /ops/chat HTTP/1.1\r\nHost: a\r\nContent-Length: {2 * len(part)}\r\n\r\n"
    writer.write(head.encode() + part)
    await within(replica.called.wait())
    writer.write(part)
    assert (await within(reader.readline())).startswith(b"HTTP/1.1 200 ")


async def within(awaitable):
    return await asyncio.wait_for(awaitable, 20)


async def test_no_replica_is_a_503_that_says_when_to_try_again(client):
    answer = await client.get("/ops/gone")
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
    assert answer.json() == {
        "error": "no replica can take this request now; try again, or see the status of the Model"
    }


async def test_a_replicas_own_error_passes_unchanged(client):
    answer = await client.get("/ops/chat/busy")
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "9")
    assert answer.text.startswith("GET /ops/chat/busy HTTP/1.1")


async def test_an_error_that_serve_writes_as_text_becomes_json(client):
    answer = await client.get("/ops/chat/nobody")
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
    assert answer.json() == {
        "error": "no replica can take this request now; try again, or see the status of the Model"
    }


@pytest.mark.parametrize(
    "path",
    ["/ops/gone/v1/models", "/ops/chat/v1/nobody", "/ops/gone/tokenize", "/ops/gone/detokenize/"],
)
async def test_where_openai_is_spoken_an_error_has_its_shape(client, path):
    answer = await client.get(path)
    message = "no replica can take this request now; try again, or see the status of the Model"
    error = {"type": "proxy_error", "param": None, "code": None, "message": message}
    assert (answer.status_code, answer.json()) == (503, {"error": error})


async def test_below_v1_an_unknown_model_is_told_in_openais_shape(client):
    answer = await client.get("/ops/unknown/v1/models")
    assert answer.status_code == 404
    assert answer.json()["error"]["message"].startswith("no model answers at /ops/unknown/v1")


async def test_the_replica_is_told_to_watch_for_disconnects_itself(client):
    answer = await client.get("/ops/chat", headers={"x-request-disconnect-disabled": "?0"})
    assert "x-request-disconnect-disabled: ?1" in answer.text
    assert "?0" not in answer.text


@pytest.mark.parametrize("path", ["/ops/chat2", "/-/routes", "/", "/ops%2Fchat", '/\\"</script>'])
async def test_a_path_of_no_model_is_a_404_in_json(proxy, path):
    status, body = await raw(proxy, f"GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
    assert status == 404
    assert json.loads(body)["error"].startswith(f"no model answers at {path};")


async def test_a_client_that_closes_its_side_while_it_waits_gets_a_400_in_json(proxy):
    status, body = await raw(proxy, "GET /ops/chat/waits HTTP/1.1\r\nHost: a\r\n\r\n")
    assert (status, list(json.loads(body))) == (400, ["error"])


async def raw(proxy, request):
    """Send bytes that a client library would not, close that side, and read to the end."""
    reader, writer = await asyncio.open_connection("127.0.0.1", proxy.cfg.frontend_port)
    writer.write(request.encode())
    writer.write_eof()
    head, _, body = (await reader.read()).partition(b"\r\n\r\n")
    writer.close()
    return int(head.split()[1]), body


async def test_a_worker_that_leaves_closes_each_connection_behind_its_next_answer(
    proxy, client, tmp_path, monkeypatch
):
    monkeypatch.setattr(leaving, "FOLDER", tmp_path / "serve")
    monkeypatch.setattr(sys, "argv", ["shoal-leave", "0.1"])
    for node, admin in (("gone", tmp_path / "nothing"), ("here", proxy.cfg.socket_path)):
        (tmp_path / "serve" / node).mkdir(parents=True)
        (tmp_path / "serve" / node / "admin.sock").symlink_to(admin)
    assert "connection" not in (await client.get("/ops/chat")).headers
    await asyncio.to_thread(leaving.main)
    answer = await client.get("/ops/chat")
    assert (answer.status_code, answer.headers["connection"]) == (200, "close")


async def test_haproxy_listens_on_loopback_only(proxy):
    sockets = psutil.Process(proxy._proc.pid).net_connections("inet")
    assert {socket.laddr.ip for socket in sockets} == {"127.0.0.1"}
    assert os.stat(proxy.cfg.socket_path).st_mode & 0o777 == 0o600


async def test_ray_reloads_and_knows_its_process_again(proxy, client):
    before = proxy._proc
    await proxy.reload()
    await asyncio.wait_for(before.wait(), 30)
    assert proxy.count_haproxy_processes() == 1
    assert (await client.get("/ops/chat")).status_code == 200


async def test_ray_ends_the_process_that_it_started(proxy):
    process = proxy._proc
    await proxy.stop()
    assert process.returncode == -signal.SIGKILL


def test_a_file_of_another_ray_runs_as_it_is_with_a_warning(program, tmp_path):
    config = tmp_path / "haproxy.cfg"
    config.write_text("listen newer\n    mode tcp\n    bind 127.0.0.1:8000\n")
    check = subprocess.run([program, "-c", "-f", config], capture_output=True, text=True)
    assert check.returncode == 0
    assert f"shoal-haproxy: {config} runs unadjusted: expected one match of" in check.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["haproxy.cfg", "shoal-haproxy"]


def test_the_version_is_haproxys_own(program):
    answer = subprocess.run([program, "-v"], capture_output=True, text=True, check=True)
    assert answer.stdout.startswith("HAProxy version ")
