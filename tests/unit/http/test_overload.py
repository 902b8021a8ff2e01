"""Full queues, deadlines, and clients who leave."""

import asyncio
import json

import pytest
from asgi_client import Call, ask
from stand_ins import Arithmetic, loaded

from shoal_serving.http.disconnects import WATCH_FROM_S

INFER = "/ops/m/v2/models/m/infer"


def body(value, **parameters):
    x = {"name": "x", "datatype": "FP32", "shape": [1, 2], "data": [value, value]}
    return {"inputs": [x], "parameters": parameters}


@pytest.fixture
async def busy(site):
    """An application whose `model` stands still with one request, and has room for one more."""
    backend = Arithmetic()
    model = loaded(backend, max_queue_size=1)
    app = await site({"ops/m": model})
    backend.hold()
    first = asyncio.create_task(ask(app, "POST", INFER, body(1)))
    await backend.entered()
    app.backend, app.model = backend, model
    yield app
    backend.let_go()
    assert (await first).status == 200


async def test_a_full_queue_is_a_503_that_says_when_to_come_again(busy):
    waiting = asyncio.create_task(ask(busy, "POST", INFER, body(2)))
    await asyncio.sleep(0)
    answer = await ask(busy, "POST", INFER, body(3))
    assert (answer.status, answer.headers["retry-after"]) == (503, "1")
    assert answer.json == {"error": "the queue is full: 1 inputs wait; try again later"}
    busy.backend.let_go()
    assert (await waiting).status == 200


async def test_below_v1_a_full_queue_has_openais_shape(site, text_model, text_graph):
    graph = text_graph("feature-extraction")
    app = await site({"ops/m": text_model("feature-extraction", graph, max_queue_size=1)})
    graph.hold()
    asking = [asyncio.create_task(embed(app, "disk"))]
    await graph.entered()
    asking.append(asyncio.create_task(embed(app, "disk full is")))
    await asyncio.sleep(0)
    answer = await embed(app, "yes")
    assert (answer.status, answer.headers["retry-after"]) == (503, "1")
    assert answer.json["error"]["type"] == "overloaded_error"
    graph.let_go()
    await asyncio.gather(*asking)


def embed(app, text):
    return ask(app, "POST", "/ops/m/v1/embeddings", {"input": text})


async def test_the_clients_deadline_is_a_504_and_the_request_is_not_run(busy):
    answer = await ask(busy, "POST", INFER, body(2, timeout=10_000))
    assert answer.status == 504
    assert "was not run" in answer.json["error"]
    assert len(busy.backend.runs) == 1


async def test_the_models_deadline_is_a_504_and_the_request_is_not_run(site):
    backend = Arithmetic()
    app = await site({"ops/m": loaded(backend, timeout="10ms")})
    backend.hold()
    first = asyncio.create_task(ask(app, "POST", INFER, body(1)))
    await backend.entered()
    assert (await ask(app, "POST", INFER, body(2))).status == 504
    backend.let_go()
    assert (await first).status == 200
    assert len(backend.runs) == 1


async def test_the_request_of_a_client_who_left_is_not_run(busy):
    call = Call("POST", INFER, [json.dumps(body(7)).encode()])
    asking = asyncio.create_task(call.to(busy))
    call.leave()
    assert (await asking).status == 499
    busy.backend.let_go()
    await busy.model.drain()
    assert busy.model.statistics.outcomes["ClientGone"] == 1
    assert [run["x"][0, 0] for run in busy.backend.runs] == [1]


async def test_a_request_that_its_server_gives_up_is_not_run(busy):
    asking = asyncio.create_task(ask(busy, "POST", INFER, body(7)))
    await asyncio.sleep(0)
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    busy.backend.let_go()
    await busy.model.drain()
    assert [run["x"][0, 0] for run in busy.backend.runs] == [1]


async def test_who_stays_is_answered_after_a_long_wait(busy):
    asking = asyncio.create_task(ask(busy, "POST", INFER, body(2)))
    await asyncio.sleep(3 * WATCH_FROM_S)
    busy.backend.let_go()
    assert (await asking).json["outputs"][0]["data"] == [4, 4]
