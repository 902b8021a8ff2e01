"""Streams whose clients leave, are slow, or take nothing at all."""

import asyncio
import contextlib
import json
import logging

import pytest
from asgi_client import Call
from served import SMALL, served
from speakers import Speaker

from shoal_serving.generate.request import Delta, Finish

PATH = "/ops/m/v1/chat/completions"
BODY = json.dumps({"messages": [{"role": "user", "content": "Hi"}], "stream": True}).encode()


class Reader(Call):
    """A client that takes a message only when the test lets it; `taken` are the bodies so far."""

    def __post_init__(self):
        super().__post_init__()
        self.taken = []
        self.takes = asyncio.Semaphore(0)

    async def _send(self, message):
        if message["type"] == "http.response.body":
            await self.takes.acquire()
            self.taken.append(message["body"])
        await super()._send(message)

    async def took(self, count):
        while len(self.taken) < count:
            await asyncio.sleep(0)


@pytest.fixture
async def model():
    return Speaker(held=True)


@pytest.fixture
async def app(site, model):
    return await site({"ops/m": model}, body_stall_s=60, access_log=True)


@contextlib.asynccontextmanager
async def asking(app, model, call):
    """A call that goes on, once the engine has begun with it."""
    task = asyncio.create_task(call.to(app))
    await model.started(1)
    yield task
    await task


def contents(body):
    events = [json.loads(e[6:]) for e in body.decode().split("\n\n") if e.startswith("data: {")]
    deltas = [event["choices"][0]["delta"] for event in events if "choices" in event]
    return [delta["content"] for delta in deltas if delta.get("content")]


async def test_a_client_that_leaves_frees_its_place_at_once(app, model):
    call = Reader("POST", PATH, [BODY])
    async with asking(app, model, call) as task:
        call.takes.release()
        model.streams[0].push(Delta("Hel"))
        await call.took(1)
        assert not model.cancelled
        call.leave()
        for _ in range(5):
            await asyncio.sleep(0)
        assert model.cancelled == [0]
        await task
    assert model.statistics.outcomes == {"ClientGone": 1}


async def test_a_client_that_leaves_while_it_is_sent_something_frees_its_place(app, model):
    call = Reader("POST", PATH, [BODY])
    async with asking(app, model, call):
        model.streams[0].push(Delta("Hel"))
        await asyncio.sleep(0)
        call.leave()
    assert model.cancelled == [0]
    assert call.taken == []


@pytest.mark.parametrize("stream", [True, False])
async def test_a_client_that_leaves_before_the_first_token_frees_its_place(app, model, stream):
    body = json.dumps({**json.loads(BODY), "stream": stream, "n": 2}).encode()
    call = Call("POST", PATH, [body])
    async with asking(app, model, call) as task:
        call.leave()
        assert (await task).status == 499
    assert sorted(model.cancelled) == [0, 1]
    assert model.statistics.outcomes == {"ClientGone": 1}


async def test_what_a_slow_client_did_not_take_yet_is_one_chunk(app, model):
    call = Reader("POST", PATH, [BODY])
    async with asking(app, model, call):
        model.streams[0].push(Delta("a"))
        await asyncio.sleep(0)
        for text in "bcd":
            model.streams[0].push(Delta(text))
        call.takes.release()
        await call.took(1)
        model.streams[0].push(Delta("e", finish=Finish.STOP))
        for _ in range(9):
            call.takes.release()
    assert contents(call.answer.body)[0] == "a"
    assert "".join(contents(call.answer.body)) == "abcde"
    assert len(contents(call.answer.body)) < 4
    assert call.answer.body.endswith(b"data: [DONE]\n\n")
    assert model.cancelled == []


async def test_a_client_that_is_far_too_slow_is_told_so(app, model):
    model.most = 100
    call = Reader("POST", PATH, [BODY])
    async with asking(app, model, call):
        model.streams[0].push(Delta("a"))
        for _ in range(9):
            await asyncio.sleep(0)
        model.streams[0].push(Delta("b" * 101))
        for _ in range(9):
            call.takes.release()
    assert 0 in model.cancelled
    assert b'"type":"client_closed_request"' in call.answer.body
    assert model.statistics.outcomes == {"ClientGone": 1}


async def test_a_client_that_takes_nothing_is_waited_for_no_longer(site, model):
    app = await site({"ops/m": model}, body_stall_s=0.02)
    call = Reader("POST", PATH, [BODY])
    async with asking(app, model, call):
        model.streams[0].push(Delta("a"))
    assert model.cancelled == [0]
    assert model.statistics.outcomes == {"ClientGone": 1}
    assert call.taken == []


async def test_two_streams_at_once_get_their_own(app, model):
    calls = [Call("POST", PATH, [BODY]) for _ in range(2)]
    tasks = [asyncio.create_task(call.to(app)) for call in calls]
    await model.started(2)
    for text in ("0", "1"):
        for place in (0, 1):
            model.streams[place].push(Delta(f"{place}{text} "))
            await asyncio.sleep(0)
    for stream in model.streams:
        stream.push(Delta(finish=Finish.STOP))
    texts = ["".join(contents((await task).body)) for task in tasks]
    assert texts == ["00 01 ", "10 11 "]


async def test_the_access_log_has_the_bytes_of_a_stream(app, model, caplog):
    call = Call("POST", PATH, [BODY])
    with caplog.at_level(logging.INFO):
        async with asking(app, model, call):
            model.streams[0].push(Delta("a", finish=Finish.STOP))
    [line] = [r.getMessage() for r in caplog.records if r.name == "ray.serve.shoal.access"]
    assert f'"POST {PATH}" 200 {len(call.answer.body)} ' in line


async def test_a_sequence_that_the_engine_gave_up_is_no_answer(app, model):
    call = Call("POST", PATH, [BODY])
    async with asking(app, model, call) as task:
        model.streams[0].push(Delta(finish=Finish.ABORT))
        assert (await task).status == 499


async def connected(place):
    """A connection that has asked for a stream."""
    reader, writer = await asyncio.open_connection("127.0.0.1", place.port, limit=SMALL)
    head = f"POST {PATH} HTTP/1.1\r\nhost: a\r\ncontent-length: {len(BODY)}\r\n\r\n"
    writer.write(head.encode() + BODY)
    return reader, writer


async def test_the_head_comes_with_the_first_token(app, model):
    async with served(app) as place:
        reader, writer = await connected(place)
        await model.started(1)
        model.streams[0].push(Delta("Hel"))
        came = await reader.read(SMALL)
        assert came.startswith(b"HTTP/1.1 200 OK\r\n")
        assert b'"content":"Hel"' in came
        model.streams[0].push(Delta("lo", finish=Finish.STOP))
        assert (await reader.readuntil(b"0\r\n\r\n")).count(b"[DONE]") == 1
        writer.close()


async def test_a_closed_connection_frees_its_place(app, model):
    async with served(app) as place:
        reader, writer = await connected(place)
        await model.started(1)
        model.streams[0].push(Delta("Hel"))
        await reader.read(SMALL)
        writer.close()
        await model.was_cancelled()


async def test_a_connection_that_takes_nothing_is_cut_off(site, model):
    app = await site({"ops/m": model}, body_stall_s=0.1)
    async with served(app) as place:
        _, writer = await connected(place)
        await model.started(1)
        while not model.cancelled:
            if not model.streams[0]._waiting:
                model.streams[0].push(Delta("x" * 60_000))
            await asyncio.sleep(0.001)
        await place.lost_everyone()
        writer.close()
    assert model.statistics.outcomes == {"ClientGone": 1}
