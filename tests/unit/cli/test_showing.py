"""What `shoal up` shows while it runs."""

import asyncio
import json
import logging
import os
import pty
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from shoal.api import Fleet, parse_resource
from shoal.cli.showing import show
from shoal.cluster.local.run import log_file


class Page(BaseHTTPRequestHandler):
    """A model's page."""

    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(json.dumps({"curl": f"curl -s {self.path}"}).encode())

    def log_message(self, *_):
        pass


@pytest.fixture
def address():
    with ThreadingHTTPServer(("127.0.0.1", 0), Page) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.fixture
async def shown(home, store, capsys):
    """Starts it, and reads what it shows until some words are among it."""
    tasks = []
    text = ""

    async def until(words: str) -> str:
        nonlocal text
        if not tasks:
            tasks.append(asyncio.create_task(show(home, store)))
        async with asyncio.timeout(10):
            while words not in text:
                await asyncio.sleep(0.01)
                text += "".join(capsys.readouterr())
        return text

    yield until
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def test_an_empty_home_says_how_to_begin(shown):
    assert "There are no models yet" in await shown("shoal apply")


async def test_what_is_served_is_told_with_a_line_to_paste(served, store, address, shown):
    model = served(Ready="True/Ready")
    status = model.status.model_copy(update={"url": f"{address}/default/echo"})
    store.report(model.model_copy(update={"status": status}))
    text = await shown("\ncurl -s /default/echo\n")
    assert f"{address}/default/echo   8f3c2a1b" in text


async def test_what_is_on_its_way_is_waited_for(served, shown):
    served("a", Ready="False/Suspended")
    served("b", Ready="False/Loading", Reconciling="True/Loading")
    await shown("Shoal is starting")
    served("b", Ready="False/Suspended")
    titles, first, second = (await shown("\nb ")).rstrip().splitlines()[-3:]
    assert titles.startswith("NAME")
    assert (first[0], second[0]) == ("a", "b")


async def test_why_a_model_is_not_served_is_told(served, shown):
    served("a", Accepted="False/FleetNotFound/There is no Fleet.", Ready="False/FleetNotFound")
    await shown("\na: There is no Fleet.\n")


async def test_a_revision_that_does_not_load_is_told_beside_the_one_that_serves(
    served, store, shown
):
    model = served(Ready="True/ModelLoadFailed", Loaded="False/ModelLoadFailed")
    failure = {
        "reason": "ModelLoadFailed",
        "message": "It is no graph.",
        "action": "Export it again.",
        "time": "2026-01-01T00:00:00Z",
    }
    said = model.status.model_dump() | {"lastFailure": failure}
    status = type(model.status).model_validate(said)
    store.report(model.model_copy(update={"status": status}))
    await shown("\necho: It is no graph. Export it again. Revision 8f3c2a1b serves on.\n")


async def test_warnings_of_the_log_are_said_without_their_traceback(shown):
    await shown("Shoal is starting")
    logging.getLogger("shoal.manager").error("%s was not applied", "a.yaml", exc_info=OSError())
    assert "Traceback" not in await shown("Warning: a.yaml was not applied\n")


async def test_the_log_is_not_told_its_own_warnings(home, shown, monkeypatch):
    log_file(home).parent.mkdir(parents=True)
    with log_file(home).open("w") as log:
        monkeypatch.setattr(sys, "stderr", log)
        await shown("Shoal is starting")
        await asyncio.sleep(0)
        logging.getLogger("shoal.manager").error("once is enough")
    assert log_file(home).read_text() == ""


async def test_a_terminal_sees_that_ray_is_awaited_first(served, store, shown, monkeypatch):
    served("a", Ready="False/Loading", Reconciling="True/Loading")
    fleet = parse_resource(
        {
            "apiVersion": "shoal.dev/v1alpha1",
            "kind": "Fleet",
            "metadata": {"name": "default"},
            "spec": {"pools": [{"name": "local"}]},
        }
    )
    assert isinstance(fleet, Fleet)
    condition = {"type": "Provisioned", "status": "False", "reason": "Provisioning", "message": "…"}
    status = type(fleet.status).model_validate({"conditions": [condition]})
    fleet = store.apply(fleet).resource
    store.report(fleet.model_copy(update={"status": status}))
    master, slave = pty.openpty()
    with os.fdopen(slave, "w") as terminal, os.fdopen(master, "rb", 0) as screen:
        monkeypatch.setattr(sys, "stderr", terminal)
        monkeypatch.setenv("TERM", "xterm")
        await shown("Shoal is starting")
        seen = b""
        while b"0/1 settled  0s  Fleet default  Provisioning" not in seen:
            seen += await asyncio.to_thread(screen.read, 200)
