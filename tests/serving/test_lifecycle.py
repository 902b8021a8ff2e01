"""What `shoal up` promises about starting, stopping, dying and being alone.

The tests of a platform of their own are told in order.
"""

import contextlib
import json
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import psutil
import pytest
import yaml
from conftest import Platform, begin, end, eventually, free_port, shoal, start
from graphs import adder, tensor
from traffic import Traffic

from shoal.api import Model
from shoal.cluster.local import RunState

ONES = tensor([1.0, 1.0, 1.0, 1.0])


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    """A platform that tests change, until one of them ends it; its Fleet keeps an access log."""
    folder = tmp_path_factory.mktemp("own")
    (folder / "manifests").mkdir()
    spec = {"pools": [{"name": "local"}], "network": {"accessLog": True}}
    fleet = {"apiVersion": "shoal.dev/v1alpha1", "kind": "Fleet", "spec": spec}
    manifest = yaml.safe_dump({**fleet, "metadata": {"name": "default"}})
    (folder / "manifests" / "fleet.yaml").write_text(manifest)
    running = start(folder / "home", free_port(), "-f", str(folder / "manifests"))
    try:
        yield running
    finally:
        end(running)


@pytest.fixture
def brief(tmp_path: Path) -> Iterator[Platform]:
    """A platform that a test ends."""
    running = start(tmp_path / "home", free_port())
    try:
        yield running
    finally:
        end(running)


def write_manifest(path: Path, name: str, uri: str) -> None:
    manifest = {
        "apiVersion": "shoal.dev/v1alpha1",
        "kind": "Model",
        "metadata": {"name": name},
        "spec": {"source": {"uri": uri}},
    }
    path.write_text(yaml.safe_dump(manifest))


def processes_of(folder: Path) -> list[psutil.Process]:
    return [
        process
        for process in psutil.process_iter(["cwd", "status"])
        if process.info["cwd"] == str(folder) and process.info["status"] != "zombie"
    ]


def run_folder(platform: Platform) -> Path:
    return Path(platform.state.ray_temp).parent


def test_a_second_up_on_the_same_home_says_so_and_exits(platform: Platform) -> None:
    second = shoal(platform, "up", "--port", str(free_port()))
    assert second.returncode == 1
    assert f"already running on {platform.home} (pid {platform.process.pid})" in second.stderr


def test_a_port_that_is_taken_is_said_before_anything_starts(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        command = [sys.executable, "-m", "shoal", "--home", str(tmp_path), "up", "--port", port]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert f"port {port}" in done.stderr
    assert "--port" in done.stderr
    assert not (tmp_path / "run" / "ray.json").exists()


def test_files_are_followed(own: Platform, tmp_path: Path) -> None:
    manifest = own.home.parent / "manifests" / "added.yaml"
    write_manifest(manifest, "added", adder(tmp_path / "one", 1))
    eventually(lambda: own.store.get(Model, "default", "added"), "an added file is applied")
    own.wait_ready("added")

    first = own.model("added").status.revision
    write_manifest(manifest, "added", adder(tmp_path / "two", 2))
    eventually(lambda: own.model("added").status.revision != first, "an edit is applied")
    own.wait_ready("added")

    served = own.model("added").spec
    manifest.write_text("kind: Model\nspec: {source: [}\n")
    log = own.home / "run" / "shoal.log"
    eventually(lambda: "added.yaml was not applied" in log.read_text(), "a wrong edit is reported")
    assert "Warning: " in (own.home.parent / "home.out").read_text()
    manifest.unlink()
    assert own.model("added").spec == served
    assert own.is_ready("added")


def test_the_access_log_has_a_line_for_each_request_with_its_id(
    own: Platform, tmp_path: Path
) -> None:
    base = own.serve("told", "tensor", adder(tmp_path / "one", 1))
    ask_as(f"{base}/v2/models/told/infer", "alarm-7")
    line = re.compile(r'"POST (\S+)" (\d+) .* request_id=alarm-7')

    def lines() -> list[tuple[str, str]]:
        return line.findall(shoal(own, "logs", "model/told").stdout)

    eventually(lambda: len(lines()) == 2, "two lines")
    assert lines() == [("/default/told/v2/models/told/infer", status) for status in ("200", "400")]


def test_without_the_switch_there_is_no_access_log(
    platform: Platform, twins: tuple[str, str]
) -> None:
    ask_as(f"{twins[0]}/v2/models/twin/infer", "alarm-8")
    assert "alarm-8" not in shoal(platform, "logs", "model/twin").stdout


def ask_as(infer: str, request_id: str) -> None:
    """A sound request and one that is none."""
    headers = {"x-request-id": request_id}
    assert httpx.post(infer, json=ONES, headers=headers).status_code == 200
    assert httpx.post(infer, content=b"{", headers=headers).status_code == 400


def test_a_killed_up_is_taken_over_without_a_failed_request(own: Platform, tmp_path: Path) -> None:
    base = own.serve("kept", "tensor", adder(tmp_path / "one", 1))
    folder = run_folder(own)
    with Traffic(f"{base}/v2/models/kept/infer", ONES, clients=2) as traffic:
        own.stop(signal.SIGKILL)
        own.process = start(own.home, own.port).process
        own.wait_ready("kept")
        own.serve("new", "tensor", adder(tmp_path / "two", 2))
    assert run_folder(own) == folder
    assert traffic.failures == []


def test_closing_the_terminal_leaves_nothing(own: Platform) -> None:
    """Also of what an earlier one began."""
    folder = run_folder(own)
    assert own.stop(signal.SIGHUP) == 0
    assert processes_of(folder) == []
    assert not folder.exists()


def test_down_ends_what_a_killed_up_left(brief: Platform) -> None:
    folder = run_folder(brief)
    brief.stop(signal.SIGKILL)
    assert processes_of(folder)
    assert shoal(brief, "down").returncode == 0
    assert processes_of(folder) == []
    assert not folder.exists()


def test_ctrl_c_leaves_nothing(brief: Platform) -> None:
    folder = run_folder(brief)
    assert brief.stop(signal.SIGINT) == 0
    assert processes_of(folder) == []
    assert not folder.exists()
    assert list((brief.home / "run").glob("ray.*")) == []
    assert not connects("127.0.0.1", brief.port)


def test_closing_the_terminal_while_it_starts_leaves_nothing(tmp_path: Path) -> None:
    begun = begin(tmp_path / "home", free_port())
    try:
        record = begun.home / "run" / "ray.json"
        eventually(
            lambda: record.exists() and json.loads(record.read_text())["session"], "Ray is started"
        )
        folder = Path(json.loads(record.read_text())["folder"])
        assert processes_of(folder)
        assert begun.stop(signal.SIGHUP) == 0
        assert processes_of(folder) == []
        assert not folder.exists()
    finally:
        end(begun)


def test_nothing_answers_from_another_address(platform: Platform, digits: str) -> None:
    """All is on loopback but Ray Serve's gRPC between replicas, which wants its token."""
    outer = [
        address.address
        for name, addresses in psutil.net_if_addrs().items()
        for address in addresses
        if address.family == socket.AF_INET and not address.address.startswith("127.")
    ]
    if not outer:
        pytest.skip("this machine has no address but loopback")
    answering = {(n, port) for n, port in listening(platform) if connects(outer[0], port)}
    assert all(name.startswith("ray::ServeRepli") for name, _ in answering)
    assert all(asks_for_token(outer[0], port) for _, port in answering)
    assert not connects(outer[0], platform.port)


def listening(platform: Platform) -> set[tuple[str, int]]:
    """The name of every process of the platform that listens, and the port."""
    found: set[tuple[str, int]] = set()
    for process in processes_of(run_folder(platform)):
        with contextlib.suppress(psutil.NoSuchProcess):
            found |= {
                (process.name(), connection.laddr.port)
                for connection in process.net_connections("tcp")
                if connection.status == psutil.CONN_LISTEN
            }
    assert len(found) > 5
    return found


def connects(host: str, port: int) -> bool:
    try:
        with socket.create_connection((host, port), timeout=2):
            return True
    except OSError:
        return False


def asks_for_token(host: str, port: int) -> bool:
    import grpc

    with grpc.insecure_channel(f"{host}:{port}") as channel:
        call = channel.unary_unary("/ray.serve.ASGIService/HandleRequest")
        with pytest.raises(grpc.RpcError) as refused:
            call(b"", timeout=5)
    return bool(refused.value.code() is grpc.StatusCode.UNAUTHENTICATED)


def test_the_token_is_for_the_owner_alone(platform: Platform) -> None:
    record = platform.home / "run" / "ray.json"
    assert record.stat().st_mode & 0o077 == 0
    assert (platform.home / "run").stat().st_mode & 0o077 == 0
    assert run_folder(platform).stat().st_mode & 0o077 == 0
    assert RunState.read(platform.home) is not None


def test_no_default_port_of_ray_is_taken(platform: Platform) -> None:
    """So another Ray on the machine has them.

    Where a worker listens is the kernel's choice, which by chance is one of the last three.
    """
    theirs = {6379, 8265, 8500, 9500, 10001, 8404, 9101}
    in_the_kernels_range = {44217, 44227, 52365}
    found = listening(platform)
    assert [(name, port) for name, port in found if port in theirs] == []
    chosen = [(name, port) for name, port in found if not is_worker(name)]
    assert [(name, port) for name, port in chosen if port in in_the_kernels_range] == []


def is_worker(name: str) -> bool:
    """By the name of the process: Ray's agent is called as its workers are."""
    return name.startswith("ray::") and not name.startswith("ray::Dashboard")
