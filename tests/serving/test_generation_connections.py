"""Streams whose client leaves, or takes nothing, or whose replica dies: who else notices.

The model never comes to an end by itself, and has room for few.
"""

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx
import psutil
import pytest
from completions_stream import completion
from conftest import Platform, eventually, shoal
from endless import POSITIONS, endless
from spoken import spoken
from terminal import CTRL_C, CTRL_D, Terminal
from traffic import Traffic

NAME = "endless"
ROWS = 3
HELLO = {"prompt": spoken("chat")[-1].tokens, "temperature": 1, "max_tokens": POSITIONS - 100}
BRIEF = {**HELLO, "max_tokens": 1}


@pytest.fixture(scope="module")
def base(platform: Platform, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The base URL of a model with three rows, and place for one that waits."""
    uri = endless(tmp_path_factory.mktemp("models") / NAME)
    generation = {"maxSequences": ROWS, "maxTokens": POSITIONS, "prefixCache": "0"}
    limits = {"maxQueueSize": 1}
    return platform.serve(NAME, "text-generation", uri, generation=generation, batching=limits)


@pytest.fixture(scope="module")
def stuck(base: str, platform: Platform) -> Iterator[None]:
    """A client that asked for a stream, has a row, and takes nothing."""
    body = json.dumps({**HELLO, "stream": True, "logprobs": 20}).encode()
    head = f"POST /default/{NAME}/v1/completions HTTP/1.1\r\nHost: a\r\n"
    with socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.connect(("127.0.0.1", platform.port))
        connection.sendall(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
        yield


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(timeout=60, trust_env=False) as connected:
        yield connected


def failed(base: str) -> int:
    """How many requests did not go well; those whose client left are among them."""
    answer = httpx.get(f"{base}/v2/models/{NAME}/stats", timeout=60).json()
    return int(answer["model_stats"][0]["inference_stats"]["fail"]["count"])


@pytest.mark.usefixtures("stuck")
async def test_a_client_that_takes_nothing_holds_nobody_up(
    base: str, client: httpx.AsyncClient
) -> None:
    async with completion(client, base, **{**HELLO, "max_tokens": 100}) as answer:
        await answer.ended()
    assert (answer.done, answer.finish) == (True, "length")


@pytest.mark.usefixtures("stuck")
async def test_one_too_many_is_told_when_to_come_back_and_one_who_leaves_makes_room(
    base: str, client: httpx.AsyncClient
) -> None:
    urls = [f"{base}/v1/completions"] * 2
    async with completion(client, base, **HELLO) as first:
        await first.begun()
        async with completion(client, base, **HELLO) as second:
            await second.begun()
            two = {asyncio.create_task(client.post(url, json=BRIEF)) for url in urls}
            (refused,), (waits,) = await asyncio.wait(two, return_when=asyncio.FIRST_COMPLETED)
        assert (await waits).status_code == 200
    error = refused.result().json()["error"]
    assert int(refused.result().headers["retry-after"]) >= 1
    assert (error["type"], set(error)) == ("overloaded_error", {"message", "type", "param", "code"})


@pytest.mark.usefixtures("stuck")
def test_ctrl_c_ends_a_long_answer_and_the_model_is_free_again(
    base: str, platform: Platform
) -> None:
    words = ["--home", str(platform.home), "chat", f"model/{NAME}", "--temperature", "2"]
    terminal = Terminal(words)
    try:
        terminal.see("> ")
        terminal.type("Tell me everything.\n")
        terminal.see("Tell me everything.\r\n")
        before = failed(base)
        terminal.see("e")
        terminal.type(CTRL_C)
        terminal.see("\n> ")
        eventually(lambda: failed(base) > before, "the stream was given up")
        terminal.type(CTRL_D)
        assert terminal.code() == 0
    finally:
        terminal.close()


def test_shoal_chat_prints_the_answer_and_nothing_else(
    samples: dict[str, str], platform: Platform
) -> None:
    for case, adapter in ((spoken("chat")[4], []), (spoken("pirate")[1], ["--adapter", "pirate"])):
        asked = shoal(platform, "chat", "model/chat", case.message, "--temperature", "0", *adapter)
        assert (asked.stdout, asked.stderr) == (f"{case.answer}\n", "")


async def test_a_killed_replica_breaks_its_stream_and_fails_no_request_that_had_no_answer_yet(
    platform: Platform, tmp_path: Path, client: httpx.AsyncClient
) -> None:
    spec = {"generation": {"maxSequences": 8, "maxTokens": POSITIONS}, "replicas": 2}
    base = platform.serve("mortal", "text-generation", endless(tmp_path / "mortal"), **spec)
    async with completion(client, base, **HELLO) as stream:
        await stream.begun()
        # A stream that nobody reads is computed no further.
        reading = asyncio.create_task(stream.ended())
        victim = await asyncio.to_thread(busiest, platform.replicas("mortal"))
        with Traffic(f"{base}/v1/completions", BRIEF, clients=4) as traffic:
            await asyncio.to_thread(eventually, lambda: len(traffic.answers) > 20, "traffic flows")
            victim.kill()
            with pytest.raises(httpx.RemoteProtocolError):
                await reading
    print(traffic.report("kill -9 of one of two replicas that generate"))
    assert not stream.done
    assert traffic.failures == []
    eventually(lambda: victim not in platform.replicas("mortal"), "the victim is gone")
    eventually(lambda: len(platform.replicas("mortal")) == 2, "a new replica")
    platform.wait_ready("mortal")


def busiest(processes: list[psutil.Process]) -> psutil.Process:
    """The one that computes most, which is the one that writes a stream: one that has only just
    started may have a second or so to do.
    """
    before = {process: process.cpu_times().user for process in processes}

    def computed(process: psutil.Process) -> float:
        return float(process.cpu_times().user) - before[process]

    eventually(lambda: max(map(computed, processes)) > 2, "a stream is computed")
    return max(processes, key=computed)
