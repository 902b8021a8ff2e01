"""Which tests the same process of pytest-xdist runs, one after another.

By folder: what an API server, a node or a platform is started for shares it. Of other tests a file
is one group.

Groups are begun in the order in which they are collected: with three processes, these have one
each, and whoever is done goes on with the rest.
"""

from typing import Any

import pytest
from xdist.scheduler import LoadScopeScheduling

GROUPS = {
    "tests/serving/": "ray",
    "tests/cluster/end_to_end/": "node",
    "tests/cluster/node/": "node",
    "tests/cluster/": "kubernetes",
}


def group_of(nodeid: str) -> str:
    """The group of a test: of the first folder that it is in, or of its file."""
    found = (group for folder, group in GROUPS.items() if nodeid.startswith(folder))
    return next(found, nodeid.partition("::")[0])


class GroupScheduling(LoadScopeScheduling):
    """A group is a unit of work, as a module is in `--dist loadscope`."""

    def __init__(self, config: pytest.Config, log: Any) -> None:
        super().__init__(config, log)
        # That is by the number of tests, which says little of how long they take.
        config.option.loadscopereorder = False

    def _split_scope(self, nodeid: str) -> str:
        return group_of(nodeid)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> GroupScheduling:
    return GroupScheduling(config, log)
