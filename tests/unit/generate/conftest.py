"""tiny-chat as a replica loads it."""

import pytest
from chat_models import ADAPTERS, loader

from shoal_serving.artifacts import Cache
from shoal_serving.loading import Place


@pytest.fixture(scope="session")
def place(tmp_path_factory):
    return Place(Cache(tmp_path_factory.mktemp("cache")), threads=1, memory=None)


@pytest.fixture
def load(place):
    """Loads a revision of tiny-chat; what was loaded is closed when the test ends."""
    with loader(place) as load:
        yield load


@pytest.fixture
def chat(load):
    return load()


@pytest.fixture
def adapted(load):
    return load(adapters=ADAPTERS)
