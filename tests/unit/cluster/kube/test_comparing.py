"""Whether an object already says what it should."""

import pytest

from shoal.cluster.kube.comparing import contains, digest_of, has_owners


@pytest.mark.parametrize(
    ("live", "said"),
    [
        ({"a": 1, "b": 2}, {"a": 1}),
        ({"a": {"b": 1, "default": True}}, {"a": {"b": 1}}),
        ({"ports": [{"port": 1, "protocol": "TCP"}]}, {"ports": [{"port": 1}]}),
        ({}, {"a": [], "b": {}, "c": None, "d": "", "e": False, "f": 0}),
        ({"a": {"b": 1}}, {"a": {}}),
    ],
)
def test_more_than_what_is_said_is_others_business(live, said):
    assert contains(live, said)


@pytest.mark.parametrize(
    ("live", "said"),
    [
        ({}, {"a": 1}),
        ({"a": 2}, {"a": 1}),
        ({"a": "1"}, {"a": 1}),
        ({"a": [1, 2]}, {"a": [1]}),
        ({"a": [1]}, {"a": []}),
        ({"a": [2, 1]}, {"a": [1, 2]}),
        ({"a": "text"}, {"a": ["text"]}),
        ({"a": True}, {"a": False}),
        (None, {"a": {"b": 1}}),
    ],
)
def test_less_or_something_else_differs(live, said):
    assert not contains(live, said)


def test_an_owner_among_others_is_one():
    ours, theirs = {"uid": "1", "kind": "Fleet"}, {"uid": "2", "kind": "Other"}
    said = {"metadata": {"ownerReferences": [ours]}}
    assert has_owners({"metadata": {"ownerReferences": [theirs, {**ours, "more": 1}]}}, said)
    assert not has_owners({"metadata": {"ownerReferences": [theirs]}}, said)
    assert not has_owners({"metadata": {}}, said)


def test_a_digest_tells_words_and_not_their_order():
    assert digest_of({"a": 1, "b": 2}) == digest_of({"b": 2, "a": 1})
    assert digest_of({"a": 1}) != digest_of({"a": 2})
