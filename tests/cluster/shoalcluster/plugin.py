"""pytest's share: the fixtures, and one line that says which tests this machine cannot run.

A test needs what its fixtures need, and what it is marked with: `kubernetes_api`,
`kubernetes_node`, `shoal_images`. Tests whose needs are not met are deselected; where `CI` is true
that fails the run.
"""

import os
from collections import Counter
from collections.abc import Generator, Iterator
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import pytest
from productimages.images import OPERATOR, SERVING, archive
from testcluster.control_plane import ControlPlane
from testcluster.node import Node

from shoalcluster.needs import API, IMAGES_BUILT, NODE, Need

MARKS = {"kubernetes_api": API, "kubernetes_node": NODE, "shoal_images": IMAGES_BUILT}
FIXTURES = {
    "control_plane": API,
    "fresh_control_plane": API,
    "node": NODE,
    "operator_image": IMAGES_BUILT,
    "serving_image": IMAGES_BUILT,
}
# The first test waits for what all share to start, beside whatever else the machine does.
TIMEOUT_S = {NODE: 600, API: 300}
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


@pytest.fixture(scope="session")
def operator_image() -> Path:
    """The archive of the operator's image, for `Node.import_image`."""
    return archive(OPERATOR)


@pytest.fixture(scope="session")
def serving_image() -> Path:
    """The archive of the serving image."""
    return archive(SERVING)


def pytest_configure(config: pytest.Config) -> None:
    config.stash[LEFT_OUT] = Counter()
    for mark, need in MARKS.items():
        config.addinivalue_line("markers", f"{mark}: one of the {need.tests}")
    if config.pluginmanager.hasplugin("xdist"):
        config.pluginmanager.register(_FromWorkers(config))


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what this machine cannot run."""
    needs = {item: found for item in items if (found := _needs(item))}
    for item, found in needs.items():
        patience = max((TIMEOUT_S.get(need, 0) for need in found), default=0)
        if patience and item.get_closest_marker("timeout") is None:
            item.add_marker(pytest.mark.timeout(patience))
    reasons = {need: need.missing() for need in {one for found in needs.values() for one in found}}
    unmet = {item: [one for one in found if reasons[one]] for item, found in needs.items()}
    left_out = {item: found[0] for item, found in unmet.items() if found}
    items[:] = [item for item in items if item not in left_out]
    config.hook.pytest_deselected(items=list(left_out))
    told = (f"{need.tests} ({reasons[need]})" for need in left_out.values())
    config.stash[LEFT_OUT].update(told)


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop(session: pytest.Session) -> None:
    """Build what is missing, before any test and outside of its time limit."""
    if session.config.option.collectonly:
        return
    found = {need for item in session.items for need in _needs(item)}
    with _speaking(session.config):
        for need in MARKS.values():
            if need in found:
                need.prepare()


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


def _needs(item: pytest.Item) -> list[Need]:
    """In the order of MARKS."""
    names = {mark.name for mark in item.iter_markers()}
    found = {MARKS[name] for name in names & MARKS.keys()}
    found |= {FIXTURES[name] for name in FIXTURES.keys() & set(getattr(item, "fixturenames", ()))}
    return [need for need in MARKS.values() if need in found]


def _speaking(config: pytest.Config) -> AbstractContextManager[object]:
    """What is printed meanwhile is seen, not captured."""
    capture = config.pluginmanager.getplugin("capturemanager")
    return capture.global_and_fixture_disabled() if capture else nullcontext()
