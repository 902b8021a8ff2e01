"""Fleets that do not answer hold nobody up."""

import asyncio
import time

from shoal.cluster.asking import LEDGER_WAIT_S, Caller
from shoal.cluster.kube.fleets import Fleets, Line


async def test_the_first_answers_are_not_waited_for_long():
    async def silence(reader, writer):
        await reader.read()
        writer.close()

    async def no_secret(namespace, name):
        return None

    server = await asyncio.start_server(silence, "127.0.0.1", 0)
    address = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    caller, tasks = Caller(trust_env=False), []

    def start(work):
        tasks.append(asyncio.create_task(work))
        return tasks[-1]

    fleets = Fleets(caller, no_secret, start, lambda name: None, lambda model: None)
    fleets.follow("it", Line("ops", address))
    began = time.monotonic()
    await fleets.first_answers()
    assert time.monotonic() - began < LEDGER_WAIT_S
    assert not fleets.reachable("it")
    fleets.forget()
    await asyncio.gather(*tasks, return_exceptions=True)
    await caller.close()
    server.close()
