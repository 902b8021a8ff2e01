"""Saying in a status that its object breaks the contract, before a server that refuses."""

import asyncio

import pytest
from api_stand_in import api_stand_in

from shoal.cluster import Key
from shoal.cluster.kube import connect
from shoal.cluster.kube.events import Recorder
from shoal.cluster.kube.objecting import Objector
from shoal.cluster.kube.store import Unreadable
from shoal.errors import InvalidResource

KEY = Key("Model", "ops", "it")
STATUS = "/apis/shoal.dev/v1alpha1/namespaces/ops/models/it/status"
WRONG = InvalidResource('Model "it"', ("spec.newField: Unknown field",))


class Known:
    """Where one Model cannot be read."""

    def breaks_contract(self, key):
        return Unreadable("ops", "it", "1", 1, WRONG, ())


@pytest.fixture
def server():
    with api_stand_in() as found:
        found.answers[STATUS] = 403
        yield found


async def test_a_change_begins_no_second_attempt_while_one_goes_on(server, tmp_path, monkeypatch):
    monkeypatch.setattr("shoal.cluster.kube.objecting.AGAIN_S", 0.05)
    async with connect(server.kubeconfig(tmp_path)) as api, asyncio.timeout(20):
        objector = Objector(api, Known(), Recorder(api, "here"))
        assert objector.minds(KEY)
        attempts = [asyncio.create_task(objector.object_to(KEY)) for _ in range(5)]
        while len(server.asked) < 2:
            await asyncio.sleep(0.01)
        assert not objector.minds(KEY)
        assert [task.done() for task in attempts] == [False, True, True, True, True]
        server.answers[STATUS] = {}
        await attempts[0]
        assert objector.minds(KEY)
