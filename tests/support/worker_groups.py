"""Which tests the same process of pytest-xdist runs, one after another.

By folder: what an API server, a node or a platform is started for shares it. Ray takes both
processors of a small machine, so that all that runs it is one group. Of other tests a file is one.
"""

from typing import Any

import pytest
from xdist.scheduler import LoadScopeScheduling

GROUPS = {
    "tests/serving/": "ray",
    "tests/cluster/end_to_end/": "ray",
    "tests/cluster/node/": "ray",
    "tests/cluster/": "kubernetes",
}


def group_of(nodeid: str) -> str:
    """The group of a test: of the first folder that it is in, or of its file."""
    found = (group for folder, group in GROUPS.items() if nodeid.startswith(folder))
    return next(found, nodeid.partition("::")[0])


class GroupScheduling(LoadScopeScheduling):
    """A group is a unit of work, as a module is in `--dist loadscope`; the largest goes first."""

    def _split_scope(self, nodeid: str) -> str:
        return group_of(nodeid)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> GroupScheduling:
    return GroupScheduling(config, log)
