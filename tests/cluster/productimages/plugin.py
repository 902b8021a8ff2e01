"""pytest's share: the archives of both images, built before any test and outside of time limits."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

import pytest

from productimages.images import OPERATOR, SERVING, Image, archive

FIXTURES = {"operator_image": OPERATOR, "serving_image": SERVING}


@pytest.fixture(scope="session")
def operator_image() -> Path:
    """The archive of the operator's image."""
    return archive(OPERATOR)


@pytest.fixture(scope="session")
def serving_image() -> Path:
    """The archive of the serving image."""
    return archive(SERVING)


# After the harness has left out what cannot run here.
@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop(session: pytest.Session) -> None:
    """Build what is missing."""
    if session.config.option.collectonly:
        return
    with _speaking(session.config):
        for image in _wanted(session):
            archive(image)


def _wanted(session: pytest.Session) -> Iterator[Image]:
    names = {name for item in session.items for name in getattr(item, "fixturenames", ())}
    return (image for name, image in FIXTURES.items() if name in names)


def _speaking(config: pytest.Config) -> AbstractContextManager[object]:
    """What is printed meanwhile is seen, not captured."""
    capture = config.pluginmanager.getplugin("capturemanager")
    return capture.global_and_fixture_disabled() if capture else nullcontext()
