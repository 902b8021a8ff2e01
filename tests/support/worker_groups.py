"""Which tests the same process of pytest-xdist runs, one after another.

By folder: what an API server, a node or a platform is started for shares it. Ray takes both
processors of a small machine, so that all that runs it is one group. Of other tests a file is one.
Groups wait a lot, and what they wait for has its time limits: a process that gets none of them
steps back.
"""

import os
from typing import Any

import pytest
from xdist.scheduler import LoadScopeScheduling

GROUPS = {
    # It brings a node of its own.
    "tests/cluster/node/test_make_cluster.py": "kubernetes",
    "tests/cluster/node/": "ray",
    "tests/cluster/end_to_end/": "ray",
    "tests/cluster/": "kubernetes",
    "tests/serving/": "ray",
}
# In which they begin, each in a process of its own.
ORDER = ("ray", "kubernetes")
# Less of the processors than others get, and still a part.
NICENESS = 5
BEGUN = pytest.StashKey[str]()


def group_of(nodeid: str) -> str:
    """The group of a test: of the first folder that it is in, or of its file."""
    found = (group for folder, group in GROUPS.items() if nodeid.startswith(folder))
    return next(found, nodeid.partition("::")[0])


class GroupScheduling(LoadScopeScheduling):
    """A group is a unit of work, as a module is in `--dist loadscope`.

    The groups go first, and then the files with most tests.
    """

    def _split_scope(self, nodeid: str) -> str:
        return group_of(nodeid)

    def _assign_work_unit(self, node: Any) -> None:
        for group in reversed(ORDER):
            if group in self.workqueue:
                self.workqueue.move_to_end(group, last=False)
        super()._assign_work_unit(node)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> GroupScheduling:
    return GroupScheduling(config, log)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> None:
    """A process of several steps back if what it begins with is in no group."""
    if "PYTEST_XDIST_WORKER" in os.environ and BEGUN not in item.config.stash:
        item.config.stash[BEGUN] = group_of(item.nodeid)
        if item.config.stash[BEGUN] not in ORDER:
            os.nice(NICENESS)
