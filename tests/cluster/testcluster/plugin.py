"""pytest's share: the fixtures, and one line that says which tests this machine cannot run.

A test needs what its fixtures need, or what it is marked with: `kubernetes_api`, `kubernetes_node`.
Tests whose needs are not met are deselected; where `CI` is true that fails the run.
"""

import os
from collections import Counter
from collections.abc import Generator, Iterator
from contextlib import nullcontext
from typing import Any

import pytest

from testcluster import binaries
from testcluster.control_plane import ControlPlane
from testcluster.needs import Need, missing
from testcluster.node import Node
from testcluster.packages import ensure_packages

MARKS = {"kubernetes_api": Need.API, "kubernetes_node": Need.NODE}
FIXTURES = {
    "control_plane": Need.API,
    "fresh_control_plane": Need.API,
    "node": Need.NODE,
}
PROGRAMS = {Need.API: binaries.API, Need.NODE: (*binaries.API, *binaries.NODE)}
# The first test on a node waits for it to start.
NODE_TIMEOUT_S = 600
LEFT_OUT = pytest.StashKey[Counter[str]]()


@pytest.fixture(scope="session")
def control_plane() -> Iterator[ControlPlane]:
    """An API server with its controller manager, shared by all tests of this worker.

    Tests use namespaces of their own and leave it running.
    """
    with ControlPlane() as running:
        yield running


@pytest.fixture
def fresh_control_plane() -> Iterator[ControlPlane]:
    """An API server for a test that breaks it, or that changes what is not in a namespace."""
    with ControlPlane() as running:
        yield running


@pytest.fixture(scope="session")
def node() -> Iterator[Node]:
    """A node with DNS and KubeRay's operator, shared by all tests of this worker.

    Tests leave it as they found it.
    """
    with Node() as running:
        yield running


def pytest_configure(config: pytest.Config) -> None:
    config.stash[LEFT_OUT] = Counter()
    config.addinivalue_line("markers", "kubernetes_api: the test starts an API server of its own")
    config.addinivalue_line("markers", "kubernetes_node: the test starts a node of its own")
    if config.pluginmanager.hasplugin("xdist"):
        config.pluginmanager.register(_FromWorkers(config))


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what this machine cannot run."""
    needs = {item: need for item in items if (need := _need(item))}
    reasons = {need: reason for need in set(needs.values()) if (reason := missing(need))}
    left_out = {item: need for item, need in needs.items() if need in reasons}
    for item in (item for item, need in needs.items() if need is Need.NODE):
        if item.get_closest_marker("timeout") is None:
            item.add_marker(pytest.mark.timeout(NODE_TIMEOUT_S))
    items[:] = [item for item in items if item not in left_out]
    config.hook.pytest_deselected(items=list(left_out))
    config.stash[LEFT_OUT].update(f"{need} ({reasons[need]})" for need in left_out.values())


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop(session: pytest.Session) -> None:
    """Build what is missing, before any test and outside of its time limit."""
    if session.config.option.collectonly:
        return
    needs = {need for item in session.items if (need := _need(item))}
    with _speaking(session.config):
        if Need.NODE in needs:
            ensure_packages()
        binaries.ensure(program for need in needs for program in PROGRAMS[need])


@pytest.hookimpl(wrapper=True)
def pytest_sessionfinish(session: pytest.Session) -> Generator[None, None, None]:
    """A worker tells the main process; there, what is left out fails a run that must be whole."""
    left_out = session.config.stash[LEFT_OUT]
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput["left_out"] = dict(left_out)
    elif left_out and must_be_whole():
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
    return (yield)


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    left_out = config.stash[LEFT_OUT]
    if not left_out:
        return
    said = ", ".join(f"{count} of the {why}" for why, count in sorted(left_out.items()))
    failing = "; CI is true, so this fails the run" if must_be_whole() else ""
    terminalreporter.write_line(f"left out: {said}{failing}", yellow=True)


def must_be_whole() -> bool:
    """Whether every test has to run here."""
    return os.environ.get("CI", "").lower() in ("1", "true")


class _FromWorkers:
    """Takes from xdist's workers what they left out; all of them collect the same."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        told = Counter(getattr(node, "workeroutput", {}).get("left_out", {}))
        self._config.stash[LEFT_OUT] |= told


def _need(item: pytest.Item) -> Need | None:
    names = {mark.name for mark in item.iter_markers()}
    found = {MARKS[name] for name in names & MARKS.keys()}
    found |= {FIXTURES[name] for name in FIXTURES.keys() & set(getattr(item, "fixturenames", ()))}
    return max(found, key=list(Need).index, default=None)


def _speaking(config: pytest.Config) -> Any:
    """What is printed meanwhile is seen, not captured."""
    capture = config.pluginmanager.getplugin("capturemanager")
    return capture.global_and_fixture_disabled() if capture else nullcontext()
