"""The probes and the metrics, over HTTP."""

import socket
from datetime import timedelta

import httpx
import pytest

from shoal.cluster import Key
from shoal.cluster.memory import MemoryCluster
from shoal.controllers.loop import Controllers, Reconciled, Result
from shoal.errors import PlatformUnsupported
from shoal.manager.probes import probes
from shoal.metrics import Metrics
from shoal.settings import Address

HERE = Address("127.0.0.1", 0)
KEY = Key("Model", "ops", "a")


def nothing():
    return None


async def ask(where, path):
    async with httpx.AsyncClient(trust_env=False) as client:
        return await client.get(f"http://{where}{path}")


async def test_nothing_wrong_is_ok():
    async with probes(HERE, Metrics(), nothing, nothing) as where:
        for path in ("/healthz", "/readyz"):
            answer = await ask(where, path)
            assert (answer.status_code, answer.text) == (200, "ok\n")


async def test_what_is_wrong_is_said():
    async with probes(HERE, Metrics(), lambda: "it hangs", lambda: "not yet") as where:
        for path, words in (("/healthz", "it hangs\n"), ("/readyz", "not yet\n")):
            answer = await ask(where, path)
            assert (answer.status_code, answer.text) == (503, words)


async def test_prometheus_reads_the_metrics():
    metrics = Metrics()
    metrics.reconciled(Reconciled(KEY, Result.ERROR, 0.3))
    metrics.called("list", "models.shoal.dev", 200, 0.02)
    controllers = Controllers(MemoryCluster(), timedelta(minutes=10))
    controllers.queue.add(KEY)
    metrics.working, metrics.leading = controllers, True
    async with probes(HERE, metrics, nothing, nothing) as where:
        answer = await ask(where, "/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=")
    for line in (
        'shoal_reconcile_total{kind="Model",result="error"} 1.0',
        'shoal_reconcile_time_seconds_count{kind="Model"} 1.0',
        'shoal_api_requests_total{code="200",resource="models.shoal.dev",verb="list"} 1.0',
        "shoal_workqueue_depth 1.0",
        "shoal_leader 1.0",
    ):
        assert f"\n{line}\n" in answer.text


async def test_an_address_that_is_taken_is_a_clear_error():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        address = Address("127.0.0.1", taken.getsockname()[1])
        with pytest.raises(PlatformUnsupported, match="say another with --listen"):
            async with probes(address, Metrics(), nothing, nothing):
                pass
