"""Fleets over HTTP: what is told of their ledger and their address, and when."""

import asyncio
from contextlib import asynccontextmanager

import pytest
from aiohttp import web

from shoal.cluster import asking
from shoal.cluster.asking import (
    Caller,
    LedgerSource,
    changed_models,
    follow_address,
    follow_ledger,
)
from shoal.testing import NOW, a_ledger, a_model, a_replica

KEY = "ops/alarm-triage"
READY = a_ledger({KEY: [a_replica(a_model())]})
LOADING = a_ledger({KEY: [a_replica(a_model(), "Loading")]})


@pytest.fixture(autouse=True)
def hurried(monkeypatch):
    for name in ("PROBE_S", "DOWN_FIRST_S", "DOWN_S"):
        monkeypatch.setattr(asking, name, 0.01)


@pytest.fixture
async def caller():
    calling = Caller(trust_env=False)
    yield calling
    await calling.close()


@asynccontextmanager
async def serving(answer):
    """The base URL of a server that answers like this, and every request that it had."""
    requests: list[web.BaseRequest] = []

    async def handle(request):
        requests.append(request)
        return await answer(request, len(requests))

    runner = web.ServerRunner(web.Server(handle), shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}", requests
    await runner.cleanup()


def said(ledger, etag):
    return web.Response(text=ledger.model_dump_json(by_alias=True), headers={"etag": etag})


async def first(number, follow, *args):
    """The first things that are told."""
    told: asyncio.Queue = asyncio.Queue()
    async with asyncio.timeout(10):
        task = asyncio.create_task(follow(*args, told.put_nowait))
        try:
            return [await told.get() for _ in range(number)]
        finally:
            task.cancel()


def where(base, token="sesame"):
    async def source(refused):
        return LedgerSource(base, token)

    return source


async def test_a_ledger_is_polled_with_token_and_etag(caller):
    async def answer(request, number):
        return said((LOADING, READY)[number - 1], f'W/"{number}"')

    async with serving(answer) as (base, requests):
        assert await first(2, follow_ledger, caller, where(base)) == [LOADING, READY]
    assert str(requests[0].rel_url) == "/-/shoal/models?wait=10"
    assert requests[1].headers["authorization"] == "Bearer sesame"
    assert requests[1].headers["if-none-match"] == 'W/"1"'


async def test_one_lost_answer_is_no_news_and_the_second_is(caller):
    async def answer(request, number):
        return said(READY, 'W/"1"') if number in (1, 3) else web.Response(status=503)

    async with serving(answer) as (base, requests):
        assert await first(3, follow_ledger, caller, where(base)) == [READY, READY, None]
    assert len(requests) == 5


async def test_what_is_no_ledger_is_told_as_silence(caller, caplog):
    async def answer(request, number):
        return web.Response(text="nonsense")

    async with serving(answer) as (base, _):
        assert await first(1, follow_ledger, caller, where(base)) == [None]
    assert "the ledger cannot be read" in caplog.text


async def test_a_refused_token_is_asked_for_again(caller):
    asked = []

    async def answer(request, number):
        right = request.headers["authorization"] == "Bearer new"
        return said(READY, 'W/"1"') if right else web.Response(status=401)

    async with serving(answer) as (base, _):

        async def source(refused):
            asked.append(refused)
            return LedgerSource(base, "new" if refused else "old")

        assert await first(1, follow_ledger, caller, source) == [READY]
    assert asked[:2] == [False, True]


async def test_without_a_place_there_is_no_ledger(caller):
    async def nowhere(refused):
        return None

    assert await first(1, follow_ledger, caller, nowhere) == [None]


async def test_a_server_without_etags_is_not_hurried(caller, monkeypatch):
    monkeypatch.setattr(asking, "PROBE_S", 60)

    async def answer(request, number):
        return web.Response(text=READY.model_dump_json(by_alias=True))

    async with serving(answer) as (base, requests):
        assert await first(1, follow_ledger, caller, where(base)) == [READY]
        await asyncio.sleep(0)
        assert len(requests) == 1


async def test_every_probe_of_an_address_is_told(caller):
    async def answer(request, number):
        assert request.path == "/-/healthz"
        return web.Response(status=503 if number in (2, 3) else 200)

    async with serving(answer) as (base, _):
        assert await first(3, follow_address, caller, base) == [True, False, True]


async def test_one_pod_that_leaves_is_no_news_of_its_fleet(caller):
    """A Service leads each connection to another pod; the one that had the first one leaves."""
    pods = []

    async def answer(request, number):
        pods.append(request.transport)
        return web.Response(status=503 if number == 2 else 200)

    async with serving(answer) as (base, requests):
        assert await first(3, follow_address, caller, base) == [True, True, True]
        assert len(set(pods)) == len(requests) == 4


async def test_a_hundred_long_polls_hold_up_no_other(caller):
    waiting = asyncio.Event()

    async def answer(request, number):
        await waiting.wait()
        return web.Response()

    async with serving(answer) as (base, requests), asyncio.timeout(10):
        polls = [asyncio.create_task(caller.get(base)) for _ in range(110)]
        while len(requests) < len(polls):
            await asyncio.sleep(0.01)
        waiting.set()
        await asyncio.gather(*polls)


async def test_a_head_that_says_nothing_is_silent_soon(caller, monkeypatch):
    monkeypatch.setattr(asking, "LEDGER_WAIT_S", 0.1)
    monkeypatch.setattr(asking, "MARGIN_S", 0.1)
    silent = asyncio.Event()

    async def answer(request, number):
        if number > 1:
            await silent.wait()
        return said(READY, 'W/"1"')

    async with serving(answer) as (base, _):
        assert await first(2, follow_ledger, caller, where(base)) == [READY, None]
        silent.set()


async def test_nobody_who_listens_is_no_answer(caller):
    assert not await caller.answers("http://127.0.0.1:9/")


async def test_a_caller_can_be_used_after_it_was_closed(caller):
    async def answer(request, number):
        return web.Response()

    async with serving(answer) as (base, _):
        assert await caller.answers(base)
        await caller.close()
        assert await caller.answers(base)


def test_a_heartbeat_changes_no_model():
    later = a_ledger({KEY: [a_replica(a_model(), reported=NOW.replace(hour=13))]})
    assert later != READY
    assert not changed_models(READY, later)
    assert changed_models(READY, LOADING) == {KEY}
    assert changed_models(None, READY) == changed_models(READY, None) == {KEY}


async def test_only_who_is_told_to_heeds_the_proxy_of_the_environment(caller, monkeypatch):
    async def well(request, number):
        return web.Response()

    heeding = Caller(trust_env=True)
    async with serving(well) as (proxy, requests):
        monkeypatch.setenv("http_proxy", proxy)
        monkeypatch.setenv("no_proxy", "near.invalid")
        assert await heeding.answers("http://far.invalid/-/healthz")
        assert not await heeding.answers("http://near.invalid/-/healthz")
        assert not await caller.answers("http://far.invalid/-/healthz")
    assert [request.url.host for request in requests] == ["far.invalid"]
    await heeding.close()
