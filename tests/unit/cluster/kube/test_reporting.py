"""Which fields of a status a server did not keep."""

import pytest

from shoal.cluster.kube.reporting import dropped


@pytest.mark.parametrize(
    ("kept", "said", "fields"),
    [
        ({"a": 1}, {"a": 1}, []),
        ({}, {"a": 1, "b": {"c": 2}}, ["a", "b"]),
        ({"b": {}}, {"b": {"c": 2}}, ["b.c"]),
        ({"all": [{"a": 1}, {"a": 1}]}, {"all": [{"a": 1}, {"a": 1, "b": 2}]}, ["all.b"]),
        ({}, {"a": 0, "b": "", "c": [], "d": {}}, []),
        ({"a": 2, "more": 1}, {"a": 1}, []),
        ({"a": [1]}, {"a": [1, 2]}, []),
    ],
)
def test_what_is_not_there_was_dropped(kept, said, fields):
    assert list(dropped(kept, said)) == fields
