"""One real platform for all tests here: `shoal up` in a process of its own, on a free port.

Starting Ray takes half a minute, so it is shared; every test has Models of its own.
"""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
from checkpoints import cross_encoder
from graphs import adder

from shoal.api import Condition, ConditionType, Model, parse_resource
from shoal.cluster.local import RunState, Store
from shoal.cluster.local.manifests import load

REPOSITORY = Path(__file__).parents[2]
SAMPLES = REPOSITORY / "manifests" / "samples"
PATIENCE_S = 120.0
# A Model that several tests change, each for itself: that takes less than a replica of its own.
SPARE = "spare"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.timeout(300))


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def eventually(check: Callable[[], Any], what: str, seconds: float = PATIENCE_S) -> Any:
    """The first true answer of `check`, which is asked again until `seconds` have passed."""
    deadline = time.monotonic() + seconds
    while not (answer := check()):
        if time.monotonic() > deadline:
            pytest.fail(f"{what}: not within {seconds:.0f} s")
        time.sleep(0.05)
    return answer


@dataclass
class Platform:
    """A running `shoal up`."""

    home: Path
    port: int
    process: subprocess.Popen[bytes]

    @property
    def store(self) -> Store:
        return Store(self.home)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def state(self) -> RunState:
        state = RunState.read(self.home)
        assert state is not None
        return state

    def apply(self, name: str, task: str, uri: str, **spec: Any) -> None:
        """Create or change a Model; `spec` is more of it, as in a manifest."""
        manifest = {
            "apiVersion": "shoal.dev/v1alpha1",
            "kind": "Model",
            "metadata": {"name": name, "namespace": "default"},
            "spec": {"task": task, "source": {"uri": uri}, **spec},
        }
        self.store.apply(parse_resource(manifest))

    def serve(self, name: str, task: str, uri: str, **spec: Any) -> str:
        """Apply a Model and wait until it is Ready; its base URL."""
        self.apply(name, task, uri, **spec)
        return self.wait_ready(name)

    def model(self, name: str) -> Model:
        model = self.store.get(Model, "default", name)
        assert model is not None, f"{name} is gone"
        return model

    def condition(self, name: str, kind: ConditionType) -> Condition | None:
        conditions = self.model(name).status.conditions
        return next((each for each in conditions if each.type is kind), None)

    def is_ready(self, name: str) -> bool:
        """Ready, and for the newest generation."""
        ready = self.condition(name, ConditionType.READY)
        generation = self.model(name).metadata.generation
        return bool(ready and ready.status == "True" and ready.observed_generation == generation)

    def wait_ready(self, name: str, seconds: float = PATIENCE_S) -> str:
        eventually(lambda: self.is_ready(name), f"{name} Ready", seconds)
        return f"{self.url}/default/{name}"

    def replicas(self, name: str) -> list[psutil.Process]:
        """The processes that serve a Model, as Ray Serve knows them and as far as they live.

        Their titles would tell as much, but Ray writes them anew again and again, and whoever reads
        one meanwhile finds nothing.
        """
        answer = httpx.get(
            f"{self.state.dashboard}/api/serve/applications/",
            headers={"authorization": f"Bearer {self.state.token}"},
            timeout=60,
        )
        application = answer.raise_for_status().json()["applications"][f"default.{name}"]
        (deployment,) = application["deployments"].values()
        # One that is only about to start has none yet.
        numbers = {replica.get("pid") for replica in deployment["replicas"]}
        return [process for process in psutil.process_iter() if process.pid in numbers]

    def delete(self, name: str) -> None:
        self.store.delete(Model, "default", name)

    def stop(self, number: int = signal.SIGTERM) -> int:
        self.process.send_signal(number)
        return self.process.wait(timeout=60)


def start(home: Path, port: int, *arguments: str) -> Platform:
    """`shoal up` in the foreground of a process of its own, as soon as its address answers."""
    platform = begin(home, port, *arguments)
    try:
        eventually(lambda: _answers(platform), f"{platform.url} answers")
    except BaseException:
        end(platform)
        print((home.parent / f"{home.name}.out").read_text()[-5000:], file=sys.stderr)
        raise
    return platform


def begin(home: Path, port: int, *arguments: str) -> Platform:
    """`shoal up` that was just started; its output is `NAME.out` beside its home."""
    command = [sys.executable, "-m", "shoal", "up", "--home", str(home), "--port", str(port)]
    with (home.parent / f"{home.name}.out").open("wb") as log:
        process = subprocess.Popen(
            [*command, *arguments],
            stdout=log,
            stderr=log,
            stdin=subprocess.DEVNULL,
            env=environment(),
        )
    return Platform(home, port, process)


def end(platform: Platform) -> None:
    """Whatever happened, nothing of it stays."""
    if platform.process.poll() is None:
        platform.process.terminate()
        try:
            platform.process.wait(timeout=60)
        except subprocess.TimeoutExpired:
            platform.process.kill()
    command = [sys.executable, "-m", "shoal", "down", "--home", str(platform.home)]
    subprocess.run(command, check=False, capture_output=True, timeout=60, env=environment())


def environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith("SHOAL_")}


def shoal(platform: Platform, *arguments: str) -> "subprocess.CompletedProcess[str]":
    """The command line, on the platform's home."""
    return subprocess.run(
        [sys.executable, "-m", "shoal", "--home", str(platform.home), *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env=environment(),
    )


def _answers(platform: Platform) -> bool:
    if platform.process.poll() is not None:
        pytest.fail(f"shoal up ended with {platform.process.returncode}")
    try:
        return httpx.get(f"{platform.url}/-/healthz", timeout=5).status_code == 200
    except httpx.HTTPError:
        return False


@pytest.fixture(scope="session")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    # Every test leaves its Models there, and each reserves half a processor.
    running = start(tmp_path_factory.mktemp("platform") / "home", free_port(), "--cpus", "64")
    try:
        yield running
    finally:
        end(running)


@pytest.fixture(scope="session")
def digits(platform: Platform) -> str:
    """The base URL of a small tensor model."""
    return platform.serve("digits", "tensor", f"file://{SAMPLES}/models/digits")


@pytest.fixture(scope="session")
def triage(platform: Platform) -> str:
    """The base URL of a text classifier."""
    uri = f"file://{SAMPLES}/models/alarm-triage"
    return platform.serve("alarm-triage", "text-classification", uri)


@pytest.fixture(scope="session")
def samples(platform: Platform) -> dict[str, str]:
    """The base URL of every sample model, by its name."""
    loaded = load(SAMPLES)
    assert loaded.problems == []
    for resource in loaded.resources:
        platform.store.apply(resource)
    names = [resource.metadata.name for resource in loaded.resources]
    return {name: platform.wait_ready(name) for name in names}


@pytest.fixture(scope="session")
def twins(platform: Platform, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    """The base URLs of `twin`, which adds 1, and `twin2`, which adds 2."""
    folder = tmp_path_factory.mktemp("twins")
    platform.apply("twin", "tensor", adder(folder / "twin", 1))
    platform.apply("twin2", "tensor", adder(folder / "twin2", 2))
    return platform.wait_ready("twin"), platform.wait_ready("twin2")


@pytest.fixture(scope="session")
def ranker(platform: Platform, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The base URL of a cross-encoder with random weights."""
    uri = cross_encoder(tmp_path_factory.mktemp("ranker"))
    return platform.serve("ranker", "text-ranking", uri)


def reference(model: str) -> dict[str, Any]:
    """The stored answers of a sample model."""
    loaded: dict[str, Any] = json.loads((SAMPLES / "models" / model / "reference.json").read_text())
    return loaded
