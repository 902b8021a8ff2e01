"""A laptop's one Fleet: its address and its ledger become keys."""

import asyncio
import contextlib
from types import SimpleNamespace

import pytest
from fleet_stand_in import Fleets

from shoal.api import Fleet
from shoal.cluster import Key, asking
from shoal.cluster.local.cluster import LocalCluster
from shoal.testing import a_fleet, a_ledger, a_model, a_replica

HERE, TOKEN = "127.0.0.1", "sesame"
FLEET = Key("Fleet", "", "default")
MODEL = Key("Model", "ops", "alarm-triage")
LOADING = a_ledger({"ops/alarm-triage": [a_replica(a_model(), "Loading")]})
READY = a_ledger({"ops/alarm-triage": [a_replica(a_model())]})


@pytest.fixture
async def ray(monkeypatch):
    monkeypatch.setattr(asking, "PROBE_S", 0.01)
    monkeypatch.setattr(asking, "DOWN_FIRST_S", 0.01)
    async with Fleets() as stand_in:
        yield stand_in


@pytest.fixture
async def cluster(ray, store):
    store.apply(a_fleet())
    service = SimpleNamespace(head=SimpleNamespace(token=TOKEN), poke=lambda: None)
    return LocalCluster(store, service, int(ray.address.rpartition(":")[2]))


@pytest.fixture
async def told(cluster):
    """Returns once a key is given."""
    async with contextlib.aclosing(cluster.watch()) as keys:

        async def wait_for(wanted):
            async with asyncio.timeout(10):
                while await anext(keys) != wanted:
                    pass

        await wait_for(FLEET)
        yield wait_for


async def test_an_address_that_comes_and_goes_concerns_the_fleet(cluster, ray, told):
    assert not await cluster.reachable("default")
    ray.healthy.add(HERE)
    await told(FLEET)
    assert await cluster.reachable("default")
    ray.healthy.clear()
    await told(FLEET)
    assert not await cluster.reachable("default")


async def test_a_ledger_that_speaks_changes_and_falls_silent(cluster, ray, told):
    ray.say(HERE, TOKEN, LOADING)
    await told(FLEET)
    assert await cluster.ledger("default") == LOADING
    ray.say(HERE, TOKEN, READY)
    await told(MODEL)
    assert await cluster.ledger("default") == READY
    ray.say(HERE, TOKEN, None)
    await told(FLEET)
    assert await cluster.ledger("default") is None


async def test_its_address_is_that_of_this_machine(cluster, ray, told):
    ray.healthy.add(HERE)
    fleet = await cluster.get(Fleet, "", "default")
    assert await cluster.answers(f"{cluster.site(fleet).address}/-/healthz")
