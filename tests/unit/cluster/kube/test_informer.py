"""List and watch, before a server that answers badly."""

import asyncio
import json
import time
from contextlib import asynccontextmanager, suppress

import pytest
from aiohttp import web
from api_stand_in import kubeconfig_of

from shoal.cluster.kube import connect
from shoal.cluster.kube.informer import Informer, Pace
from shoal.cluster.kube.kinds import OWNED, SERVICE
from shoal.cluster.kube.store import Store

PACE = Pace(watch=20.0, silence=1.0, first=0.01, longest=0.05, missing=0.05)
(OPTIONAL,) = (kind for kind in OWNED if kind.optional)


def refused(code, headers=None):
    said = {"message": "no", "details": {"name": "x"}}
    return lambda: web.json_response(said, status=code, headers=headers)


def telling(kind, **said):
    return lambda: web.Response(text=json.dumps({"type": kind, "object": said}) + "\n")


def bookmark(version):
    return telling("BOOKMARK", metadata={"resourceVersion": str(version)})


class Server:
    """`watches` are the answers to the next watches, `lists` those to the next lists. After them
    there is one object, at `version`, and nothing happens to it. `asked` has `list` for each list,
    and for each watch the version from which it is.
    """

    def __init__(self):
        self.asked = []
        self.lists = []
        self.watches = []
        self.version = 10

    async def handle(self, request):
        if "watch" not in request.query:
            self.asked.append("list")
            return self.lists.pop(0)() if self.lists else self._list()
        self.asked.append(request.query["resourceVersion"])
        return self.watches.pop(0)() if self.watches else await _silence(request)

    async def until(self, holds):
        async with asyncio.timeout(20):
            while not holds():
                await asyncio.sleep(0.01)

    def _list(self):
        meta = {"name": "it", "namespace": "ops", "resourceVersion": str(self.version)}
        about = {"resourceVersion": str(self.version)}
        return web.json_response({"metadata": about, "items": [{"metadata": meta}]})


async def _silence(request):
    response = web.StreamResponse()
    await response.prepare(request)
    await asyncio.Event().wait()
    return response


@pytest.fixture
async def server(tmp_path):
    found = Server()
    runner = web.ServerRunner(web.Server(found.handle), shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    cluster = {"server": f"http://127.0.0.1:{runner.addresses[0][1]}"}
    found.kubeconfig = tmp_path / "kubeconfig"
    found.kubeconfig.write_text(json.dumps(kubeconfig_of(cluster, {})))
    yield found
    await runner.cleanup()


@asynccontextmanager
async def informing(server, kind=SERVICE):
    """An informer while it runs, and what it told of itself."""
    told = []
    async with connect(server.kubeconfig) as api:
        informer = Informer(
            api, kind, Store(lambda raw: raw, lambda *_: None), PACE, lambda: told.append(1)
        )
        task = asyncio.create_task(informer.run())
        try:
            yield informer, told
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task


@pytest.mark.parametrize(
    "broken",
    [telling("ERROR", code=500, message="bad"), telling("ERROR", message="bad"), refused(400)],
    ids=["error-500", "error-without-a-code", "http-400"],
)
async def test_a_watch_that_is_refused_for_good_begins_with_a_list(server, broken):
    server.watches = [broken]
    async with informing(server):
        await server.until(lambda: len(server.asked) == 4)
    assert server.asked == ["list", "10", "list", "10"]


async def test_a_watch_that_is_refused_for_now_is_taken_up_where_it_was(server):
    server.watches = [bookmark(12), refused(503), refused(429)]
    async with informing(server):
        await server.until(lambda: len(server.asked) == 5)
    assert server.asked == ["list", "10", "12", "12", "12"]


async def test_versions_that_go_back_begin_with_a_list(server):
    """As after a restore of etcd."""
    server.version, server.watches = 50, [bookmark(40)]
    async with informing(server):
        await server.until(lambda: len(server.asked) == 2)
        server.version = 40
        await server.until(lambda: len(server.asked) == 4)
    assert server.asked == ["list", "50", "list", "40"]


async def test_an_outage_is_told_of_once_and_its_end_once(server, caplog):
    caplog.set_level("INFO")
    server.watches = [bookmark(12), *[refused(503)] * 5]
    async with informing(server) as (_, told):
        await server.until(lambda: len(server.asked) == 8)
        await server.until(lambda: len(told) == 2)
    assert caplog.text.count("cannot be looked at") == 1
    assert caplog.text.count("can be looked at again") == 1


async def test_the_servers_own_wait_is_kept_to(server):
    server.watches = [refused(429, {"Retry-After": "1"})]
    began = time.monotonic()
    async with informing(server):
        await server.until(lambda: len(server.asked) == 3)
    assert time.monotonic() - began >= 1


async def test_an_optional_kind_that_is_broken_holds_nothing_up(server, monkeypatch):
    monkeypatch.setattr("shoal.cluster.kube.api.ATTEMPTS", 1)
    server.lists = [refused(500)] * 1000
    async with informing(server, OPTIONAL) as (informer, _), asyncio.timeout(20):
        await informer.settled.wait()
    async with informing(server) as (informer, _):
        await server.until(lambda: informer.error)
        assert not informer.settled.is_set()
