"""Tests that share what takes long to start are run by one process."""

import pytest
from worker_groups import group_of


@pytest.mark.parametrize(
    ("test", "group"),
    [
        ("tests/serving/test_samples.py::test_one", "ray"),
        ("tests/cluster/node/test_node.py::test_one", "ray"),
        ("tests/cluster/node/test_make_cluster.py::test_one", "kubernetes"),
        ("tests/cluster/end_to_end/test_story.py::test_one", "ray"),
        ("tests/cluster/kube/test_watching.py::test_one", "kubernetes"),
        ("tests/cluster/test_crds.py::test_one[a::b]", "kubernetes"),
        ("tests/unit/api/test_rules.py::test_one[a::b]", "tests/unit/api/test_rules.py"),
    ],
)
def test_tests_are_grouped_by_what_they_start(test, group):
    assert group_of(test) == group
