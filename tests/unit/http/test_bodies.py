"""Bodies that are large, packed, cut off, slow or no JSON; and answers that are packed."""

import asyncio
import gzip
import json
import zlib

import numpy as np
import pytest
from asgi_client import Call, ask
from stand_ins import Arithmetic, loaded, spec

from shoal_serving.http.stalls import StallWatch

INFER = "/ops/m/v2/models/m/infer"
X = {"name": "x", "datatype": "FP32", "shape": [1, 2], "data": [1, 2]}
BODY = json.dumps({"inputs": [X]}).encode()
LIMIT = 1000


def padded(size):
    """A request of so many bytes."""
    return BODY + b" " * (size - len(BODY))


def raw_deflated(body):
    packer = zlib.compressobj(wbits=-15)
    return packer.compress(body) + packer.flush()


async def test_a_body_may_be_as_large_as_the_limit(site):
    answer = await ask(await site(max_body_bytes=LIMIT), "POST", INFER, padded(LIMIT))
    assert answer.status == 200


async def test_a_body_that_declares_too_much_is_refused_before_it_is_read(site):
    call = Call("POST", INFER, [], {"content-length": str(LIMIT + 1)})
    answer = await call.to(await site(max_body_bytes=LIMIT))
    assert answer.status == 413
    assert answer.json["error"].startswith(f"the body has {LIMIT + 1} bytes; the limit is {LIMIT}")


@pytest.mark.parametrize("size", [LIMIT + 1, 5 * LIMIT])
async def test_a_body_that_turns_out_too_large_is_refused_on_the_way(site, size):
    parts = [b" " * size, *[b" " * size] * 100]
    call = Call("POST", INFER, parts)
    assert (await call.to(await site(max_body_bytes=LIMIT))).status == 413
    assert call.unread > 90


async def test_a_body_that_comes_at_once_and_is_too_large_is_refused(site):
    assert (await ask(await site(max_body_bytes=LIMIT), "POST", INFER, padded(1001))).status == 413


async def test_a_bomb_is_refused_before_it_is_unpacked(site):
    bomb = gzip.compress(b" " * 100 * 2**20)
    app = await site(max_body_bytes=200_000)
    assert len(bomb) < 200_000
    answer = await ask(app, "POST", INFER, bomb, content_encoding="gzip")
    assert answer.status == 413


async def test_a_body_may_come_in_any_parts(site):
    parts = [BODY[i : i + 1] for i in range(len(BODY))]
    assert (await Call("POST", INFER, parts).to(await site())).status == 200


@pytest.mark.parametrize(
    ("encoding", "pack"),
    [
        ("gzip", gzip.compress),
        ("GZip", gzip.compress),
        ("deflate", zlib.compress),
        ("identity", bytes),
        ("", bytes),
    ],
)
async def test_a_body_may_be_packed(site, encoding, pack):
    answer = await ask(await site(), "POST", INFER, pack(BODY), content_encoding=encoding)
    assert answer.json["outputs"][0]["data"] == [2, 4]


@pytest.mark.parametrize(
    ("encoding", "pack", "sentence"),
    [
        ("gzip", bytes, "the body is not valid gzip"),
        ("deflate", raw_deflated, "the body is not valid deflate"),
        ("gzip", lambda body: gzip.compress(body)[:-9], "the gzip body ends too early"),
        ("gzip", lambda body: b"", "the gzip body ends too early"),
        ("gzip", lambda body: gzip.compress(body) * 2, "the gzip body goes on after its end"),
        ("br", bytes, "content-encoding 'br': expected gzip, deflate or identity"),
    ],
)
async def test_a_body_that_cannot_be_unpacked_is_refused(site, encoding, pack, sentence):
    answer = await ask(await site(), "POST", INFER, pack(BODY), content_encoding=encoding)
    assert answer.status == 400
    assert answer.json["error"].startswith(sentence)


async def test_a_connection_that_closes_within_the_body_is_a_mistake_of_the_client(site):
    call = Call("POST", INFER, [BODY[:10]], whole=False)
    call.leave()
    answer = await call.to(await site())
    assert answer.status == 400
    assert answer.json["error"] == "the connection closed after 10 bytes of the body"


@pytest.mark.parametrize("came", [[], [BODY[:10]], [BODY[:5], BODY[5:10]]])
async def test_a_body_that_stalls_is_waited_for_no_longer(site, came):
    app = await site(body_stall_s=0.02)
    answer = await Call("POST", INFER, came, whole=False).to(app)
    assert answer.status == 400
    received = sum(map(len, came))
    assert answer.json["error"] == f"the body stalled for 0.02 s after {received} bytes"


async def test_who_waited_for_a_stalled_body_may_wait_for_other_things():
    async def receive():
        await asyncio.get_running_loop().create_future()

    with pytest.raises(TimeoutError):
        await StallWatch(0.01).receive(receive)
    assert asyncio.current_task().cancelling() == 0


async def test_a_cancellation_from_elsewhere_is_no_stall():
    async def receive():
        await asyncio.get_running_loop().create_future()

    waiting = asyncio.create_task(StallWatch(60).receive(receive))
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting


async def test_a_stalled_body_disturbs_no_other_request(site):
    app = await site(body_stall_s=0.05)
    stalled = asyncio.create_task(Call("POST", INFER, [], whole=False).to(app))
    assert (await ask(app, "POST", INFER, BODY)).status == 200
    assert (await stalled).status == 400
    assert (await ask(app, "POST", INFER, BODY)).status == 200


async def test_a_slow_body_is_read_while_it_comes_on(site):
    app = await site(body_stall_s=60)
    call = Call("POST", INFER, [BODY[:10]], whole=False)
    asking = asyncio.create_task(call.to(app))
    for byte in BODY[10:-1]:
        await asyncio.sleep(0)
        call.goes_on(bytes([byte]), more=True)
    call.goes_on(BODY[-1:])
    assert (await asking).status == 200


NO_OBJECTS = {
    "nothing": b"",
    "cut off": b"{",
    "a list": b"[1]",
    "null": b"null",
    "a text": b'"x"',
    "no UTF-8": b"\xff",
    "NaN": b'{"inputs": NaN}',
    "very deep": b"[" * 100_000,
}


@pytest.mark.parametrize("body", NO_OBJECTS.values(), ids=NO_OBJECTS)
@pytest.mark.parametrize("path", [INFER, "/ops/m", "/ops/m/v1/embeddings", "/ops/m/v1/rerank"])
async def test_what_is_no_json_object_is_refused(site, path, body):
    answer = await ask(await site(), "POST", path, body)
    assert answer.status == 400
    assert answer.json["error"]


@pytest.fixture
async def wide(site):
    """An application whose model answers one input row with 50,000 numbers."""
    backend = Arithmetic(
        lambda inputs: {"y": np.ones((len(inputs["x"]), 50_000), np.float32)},
        outputs=(spec("y", (-1, 50_000)),),
    )
    return await site({"ops/m": loaded(backend)})


async def test_a_large_answer_is_packed_for_who_takes_gzip(wide):
    answer = await ask(wide, "POST", INFER, BODY, accept_encoding="deflate, gzip")
    assert answer.headers["content-encoding"] == "gzip"
    assert answer.headers["content-length"] == str(len(answer.body))
    assert len(answer.body) < 20_000
    assert len(answer.json["outputs"][0]["data"]) == 50_000


@pytest.mark.parametrize("accepted", ["", "deflate", "identity", "gzip;q=0", "gzip; q=0.0, br"])
async def test_a_large_answer_is_not_packed_for_who_does_not(wide, accepted):
    answer = await ask(wide, "POST", INFER, BODY, accept_encoding=accepted)
    assert "content-encoding" not in answer.headers
    assert len(answer.json["outputs"][0]["data"]) == 50_000


async def test_a_small_answer_is_not_packed(site):
    answer = await ask(await site(), "POST", INFER, BODY, accept_encoding="gzip")
    assert "content-encoding" not in answer.headers


async def test_tensors_are_not_packed(wide):
    body = {"inputs": [X], "parameters": {"binary_data_output": True}}
    answer = await ask(wide, "POST", INFER, body, accept_encoding="gzip")
    assert answer.headers["content-type"] == "application/octet-stream"
    assert "content-encoding" not in answer.headers
