"""Which tests the same process of pytest-xdist runs, one after another, and which come first.

By folder: what an API server, a node or a platform is started for shares it. Ray takes both
processors of a small machine, so that all that runs it is one group, and begins at once: it takes
the longest. The other process computes while that waits for pods, and waits for API servers while
that computes.
"""

from typing import Any

import pytest
from xdist.scheduler import LoadScopeScheduling

# A test belongs to the first of these that its name begins with.
GROUPS = {
    "tests/serving/": "ray",
    "tests/cluster/end_to_end/": "ray",
    "tests/cluster/node/test_make_cluster.py": "kubernetes",
    "tests/cluster/node/": "ray",
    "tests/cluster/": "kubernetes",
}
FIRST, LAST = "ray", "kubernetes"


def group_of(nodeid: str) -> str:
    """The group of a test; that of any other is its file."""
    found = (group for name, group in GROUPS.items() if nodeid.startswith(name))
    return next(found, nodeid.partition("::")[0])


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put them in the order in which they begin."""
    places = {FIRST: 0, LAST: 2}
    items.sort(key=lambda item: places.get(group_of(item.nodeid), 1))


class GroupScheduling(LoadScopeScheduling):
    """A group is a unit of work, as a module is in `--dist loadscope`; they begin in order."""

    def _split_scope(self, nodeid: str) -> str:
        return group_of(nodeid)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> GroupScheduling:
    config.option.loadscopereorder = False  # else the group of most tests begins first
    return GroupScheduling(config, log)
