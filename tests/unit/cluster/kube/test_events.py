"""Events on their way to a server that is slow, or answers another time than is heard."""

import asyncio
from contextlib import suppress

import pytest
from api_stand_in import api_stand_in

from shoal.api import Event, Reason
from shoal.cluster.kube import connect
from shoal.cluster.kube.events import Recorder
from shoal.testing import NOW

EVENTS = "/api/v1/namespaces/ops/events"


@pytest.fixture
def server():
    with api_stand_in() as found:
        found.answers[EVENTS] = {}
        yield found


@pytest.fixture
async def recorder(server, tmp_path):
    async with connect(server.kubeconfig(tmp_path)) as api:
        yield Recorder(api, "here")


def an_event(message="It loads."):
    return Event(
        kind="Model",
        namespace="ops",
        name="it",
        type="Normal",
        reason=Reason.LOADING,
        message=message,
        first_timestamp=NOW,
        last_timestamp=NOW,
    )


def written(server):
    return [one.body["message"] for one in server.requests_to(EVENTS)]


async def test_what_waits_at_the_end_is_still_written(server, recorder):
    running = asyncio.create_task(recorder.run())
    await asyncio.sleep(0)
    recorder.take(an_event("first"), "1")
    recorder.take(an_event("second"), "1")
    running.cancel()
    with suppress(asyncio.CancelledError):
        await running
    await recorder.drain()
    assert written(server) == ["first", "second"]


async def test_a_server_that_does_not_answer_is_not_waited_for_in_the_end(
    server, recorder, monkeypatch
):
    monkeypatch.setattr("shoal.cluster.kube.events.DRAIN_S", 0.2)
    server.answers[EVENTS] = 503
    recorder.take(an_event(), "1")
    await asyncio.wait_for(recorder.drain(), 20)


async def test_an_event_that_is_there_already_was_written(server, recorder, caplog):
    """The answer to the first attempt was lost."""
    server.answers[EVENTS] = 409
    for _ in range(2):
        recorder.take(an_event(), "1")
    await recorder.drain()
    counted = [one for one in server.asked if one.method == "PATCH"]
    assert [one.body["count"] for one in counted] == [2]
    assert "was not written" not in caplog.text
