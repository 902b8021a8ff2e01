"""Changes while requests keep coming: which fail, and what is served meanwhile."""

import os
import signal
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import psutil
from conftest import Platform, eventually
from graphs import adder, broken, loop, tensor
from traffic import Traffic

from shoal.api import ConditionType, Reason

# All tests change one Model, each from what it says first.
NAME = "changing"
SOME_ROUNDS = 100_000
ONES = tensor([1.0, 1.0, 1.0, 1.0])


def infer(base: str) -> str:
    return f"{base}/v2/models/{base.rpartition('/')[2]}/infer"


def first_value(answer: dict[str, object]) -> float:
    outputs = answer["outputs"]
    assert isinstance(outputs, list)
    return float(outputs[0]["data"][0])


def test_a_new_revision_takes_over_without_a_failed_request(
    platform: Platform, tmp_path: Path
) -> None:
    base = platform.serve(NAME, "tensor", adder(tmp_path / "one", 1))
    with Traffic(infer(base), ONES) as traffic:
        eventually(lambda: len(traffic.answers) > 50, "traffic flows")
        platform.serve(NAME, "tensor", adder(tmp_path / "two", 2))
        eventually(lambda: first_value(traffic.answers[-1][1]) == 3.0, "the new one answers")
    print(traffic.report("in-place swap"))
    assert traffic.failures == []
    assert {first_value(answer) for _, answer in traffic.answers} == {2.0, 3.0}


def test_a_revision_that_cannot_load_leaves_the_old_one_serving(
    platform: Platform, tmp_path: Path
) -> None:
    base = platform.serve(NAME, "tensor", adder(tmp_path / "good", 1))
    served = platform.model(NAME)
    with Traffic(infer(base), ONES) as traffic:
        platform.apply(NAME, "tensor", broken(tmp_path / "bad"))
        eventually(lambda: platform.condition(NAME, ConditionType.STALLED), "Stalled")
    status = platform.model(NAME).status
    print(traffic.report("a revision that cannot load"))
    assert traffic.failures == []
    assert status.revision == served.status.revision
    assert status.last_failure is not None
    assert status.last_failure.reason is Reason.MODEL_LOAD_FAILED
    assert status.last_failure.action
    ready = platform.condition(NAME, ConditionType.READY)
    assert ready is not None
    assert (ready.status, ready.observed_generation) == ("True", served.metadata.generation)


def test_a_failed_revision_is_forgotten_once_it_is_corrected(
    platform: Platform, tmp_path: Path
) -> None:
    platform.serve(NAME, "tensor", adder(tmp_path / "good", 1))
    platform.apply(NAME, "tensor", broken(tmp_path / "bad"))
    eventually(lambda: platform.condition(NAME, ConditionType.STALLED), "Stalled")
    platform.serve(NAME, "tensor", adder(tmp_path / "better", 2))
    assert platform.model(NAME).status.last_failure is None


def test_scaling_up_and_down_fails_no_request(platform: Platform, tmp_path: Path) -> None:
    uri = adder(tmp_path / "one", 1)
    base = platform.serve(NAME, "tensor", uri)
    with Traffic(infer(base), ONES) as traffic:
        platform.serve(NAME, "tensor", uri, replicas=3)
        assert len(platform.replicas(NAME)) == 3
        platform.serve(NAME, "tensor", uri, replicas=1)
        eventually(lambda: len(platform.replicas(NAME)) == 1, "two replicas are gone")
    print(traffic.report("scaling 1 to 3 to 1"))
    assert traffic.failures == []


def test_a_killed_replica_of_two_fails_no_request(platform: Platform, tmp_path: Path) -> None:
    base = platform.serve(NAME, "tensor", adder(tmp_path / "one", 1), replicas=2)
    with Traffic(infer(base), ONES) as traffic:
        eventually(lambda: len(traffic.answers) > 50, "traffic flows")
        victim = platform.replicas(NAME)[0]
        os.kill(victim.pid, signal.SIGKILL)
        eventually(lambda: victim not in platform.replicas(NAME), "the victim is gone")
        eventually(lambda: len(platform.replicas(NAME)) == 2, "a new replica")
        platform.wait_ready(NAME)
    print(traffic.report("kill -9 of one of two replicas"))
    assert traffic.failures == []


def test_a_model_that_never_loaded_says_why_and_harms_no_other(
    platform: Platform, digits: str, tmp_path: Path
) -> None:
    platform.apply("hopeless", "tensor", broken(tmp_path / "bad"))
    failed = eventually(lambda: platform.model("hopeless").status.last_failure, "lastFailure")
    assert failed.reason is Reason.MODEL_LOAD_FAILED
    ready = platform.condition("hopeless", ConditionType.READY)
    assert ready is not None
    assert ready.status == "False"
    assert platform.is_ready("digits")
    platform.delete("hopeless")


def test_an_outage_of_haproxy_ends_by_itself(
    platform: Platform, digits: str, tmp_path: Path
) -> None:
    base = platform.serve(NAME, "tensor", adder(tmp_path / "one", 1))
    folder = Path(platform.state.ray_temp).parent
    with Traffic(infer(base), ONES) as traffic:
        eventually(lambda: len(traffic.answers) > 50, "traffic flows")
        for process in psutil.process_iter(["name", "cwd"]):
            if process.info["name"] == "haproxy" and process.info["cwd"] == str(folder):
                process.kill()
        killed = traffic.elapsed
        eventually(lambda: traffic.answers[-1][0] > killed + 1, "answers come again")
    print(traffic.report("HAProxy killed"))


def test_a_replica_that_stops_finishes_what_it_took(platform: Platform, tmp_path: Path) -> None:
    uri = loop(tmp_path / "slow")
    base = platform.serve(NAME, "tensor", uri, replicas=2)
    ask(base, 0)
    rounds = int(3 * SOME_ROUNDS / ask(base, SOME_ROUNDS).elapsed.total_seconds())
    with ThreadPoolExecutor(2) as clients:
        asked = [clients.submit(ask, base, rounds) for _ in range(2)]
        platform.serve(NAME, "tensor", uri, replicas=1)
        answers = [each.result() for each in asked]
    eventually(lambda: len(platform.replicas(NAME)) == 1, "one replica is gone")
    assert [answer.status_code for answer in answers] == [200, 200]


def ask(base: str, rounds: int) -> httpx.Response:
    """Have a `loop` count so far; both replicas get one of two requests at once."""
    inputs = [{"name": "rounds", "datatype": "INT64", "shape": [1], "data": [rounds]}]
    return httpx.post(infer(base), json={"inputs": inputs}, timeout=120)
