"""What the ledger remembers, and how it is read."""

import asyncio
import json
from datetime import UTC, datetime

import pytest
from asgi_client import Call

from shoal.api.ledger import EXPIRY_S, Ledger, ModelReport, ReplicaReport, ReplicaState, Requests
from shoal.api.tensors import Datatype, TensorSpec
from shoal_serving.ledger import MODELS, Entries, LedgerApp

X = TensorSpec(name="x", datatype=Datatype.FP32, shape=(-1,))


def said(replica, state=ReplicaState.READY, inputs=(), served=0, second=0):
    entry = ReplicaReport(
        state=state,
        generation=1,
        requests=Requests(served=served),
        reported=datetime(2026, 1, 1, 0, 0, second, tzinfo=UTC),
    )
    return {"ops/m": ModelReport(inputs=inputs, replicas={replica: entry})}


def test_replicas_of_one_model_are_put_together():
    entries = Entries()
    entries.put("b", said("b", ReplicaState.LOADING), now=0)
    entries.put("a", said("a", inputs=(X,)), now=0)
    model = entries.ledger(now=1).models["ops/m"]
    assert {name: entry.state for name, entry in model.replicas.items()} == {
        "a": "Ready",
        "b": "Loading",
    }
    assert model.inputs == (X,)


def test_models_of_one_replica_stand_apart():
    entries = Entries()
    two = {**said("a"), "ops/n": said("a")["ops/m"]}
    entries.put("a", two, now=0)
    assert entries.ledger(now=1).models.keys() == {"ops/m", "ops/n"}


def test_a_replicas_last_word_counts():
    entries = Entries()
    entries.put("a", said("a", ReplicaState.LOADING), now=0)
    entries.put("a", said("a", ReplicaState.READY), now=1)
    assert entries.ledger(now=2).models["ops/m"].replicas["a"].state is ReplicaState.READY


def test_an_entry_that_is_not_renewed_expires():
    entries = Entries()
    entries.put("old", said("old"), now=0)
    entries.put("new", said("new"), now=EXPIRY_S)
    assert entries.ledger(now=EXPIRY_S).models["ops/m"].replicas.keys() == {"old", "new"}
    assert entries.ledger(now=EXPIRY_S + 1).models["ops/m"].replicas.keys() == {"new"}


def test_a_replica_that_holds_nothing_leaves_the_ledger():
    entries = Entries()
    entries.put("a", said("a"), now=0)
    entries.put("a", {}, now=1)
    assert entries.ledger(now=1) == Ledger()


class Deployment:
    """Stands in for the ledger's deployment, which only Ray Serve can make."""

    def __init__(self):
        self.whole = True
        self.entries = Entries()
        self.waiting = asyncio.Event()
        self._reported = asyncio.Event()

    def report(self, **report):
        self.entries.put("a", said("a", **report), now=0)
        self._reported.set()

    def allows(self, authorization):
        return authorization == b"Bearer secret"

    def ledger(self):
        return self.entries.ledger(now=0)

    async def wait_for_report(self, seconds):
        self.waiting.set()
        self._reported.clear()
        async with asyncio.timeout(30):
            await self._reported.wait()


@pytest.fixture
def deployment():
    deployment = Deployment()
    deployment.report()
    return deployment


@pytest.fixture
def get(deployment):
    """Asks the ledger as the control plane does."""

    async def get(path=MODELS, token="secret", etag="", wait=""):
        headers = {"authorization": f"Bearer {token}", "if-none-match": etag}
        query = f"wait={wait}" if wait else ""
        return await Call("GET", path, headers=headers, query=query).to(LedgerApp(deployment))

    return get


async def test_the_ledger_is_json_in_the_contracts_words(get):
    answer = await get()
    assert answer.status == 200
    assert Ledger.model_validate_json(answer.body).models["ops/m"].replicas["a"].generation == 1
    assert "servedGeneration" in json.loads(answer.body)["models"]["ops/m"]["replicas"]["a"]


@pytest.mark.parametrize("token", ["", "wrong", "secret "])
async def test_a_stranger_learns_nothing(get, token):
    answer = await get(token=token)
    assert answer.status == 401
    assert b"ops" not in answer.body


async def test_until_every_replica_has_had_time_to_report_the_ledger_is_silent(get, deployment):
    deployment.whole = False
    assert (await get()).status == 503
    deployment.whole = True
    assert (await get()).status == 200


async def test_another_address_is_not_found(get):
    assert (await get(path="/-/shoal/secrets")).status == 404


async def test_what_is_known_is_not_sent_again(get):
    etag = (await get()).headers["etag"]
    answer = await get(etag=etag)
    assert (answer.status, answer.body, answer.headers["etag"]) == (304, b"", etag)


async def test_a_change_is_another_ledger(get, deployment):
    etag = (await get()).headers["etag"]
    deployment.report(state=ReplicaState.FAILED)
    assert (await get(etag=etag)).status == 200


async def test_a_heartbeat_is_no_change(get, deployment):
    etag = (await get()).headers["etag"]
    deployment.report(second=5, served=100)
    assert (await get(etag=etag)).status == 304


async def test_a_wait_is_answered_by_the_next_change(get, deployment):
    etag = (await get()).headers["etag"]
    waiting = asyncio.create_task(get(etag=etag, wait="30"))
    await deployment.waiting.wait()
    deployment.waiting.clear()
    deployment.report(second=5)
    await deployment.waiting.wait()
    assert not waiting.done()
    deployment.report(state=ReplicaState.FAILED)
    answer = await waiting
    assert answer.status == 200
    assert answer.json["models"]["ops/m"]["replicas"]["a"]["state"] == "Failed"


async def test_who_knows_nothing_does_not_wait(get, deployment):
    assert (await get(wait="30")).status == 200
    assert not deployment.waiting.is_set()


@pytest.mark.parametrize("wait", ["x", "-1", "nan", "²", "1e9", ""])
async def test_a_wait_that_is_no_number_is_no_wait(get, deployment, wait):
    etag = (await get()).headers["etag"]
    assert (await get(etag=etag, wait=wait)).status == 304
    assert not deployment.waiting.is_set()


async def test_the_application_starts_and_stops_with_its_server(deployment):
    messages = [{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}]
    sent = []

    async def receive():
        return messages.pop(0)

    async def send(message):
        sent.append(message["type"])

    await LedgerApp(deployment)({"type": "lifespan"}, receive, send)
    assert sent == ["lifespan.startup.complete", "lifespan.shutdown.complete"]
