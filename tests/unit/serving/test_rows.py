"""How the feeds of one request are cut into portions."""

import pytest

from shoal_serving.rows import portions
from shoal_serving.tasks import Feed


def feeds(*kinds):
    """`a1` is a feed of key a and one row."""
    return [Feed({}, int(kind[1:]), kind[0]) for kind in kinds]


@pytest.mark.parametrize(
    ("kinds", "cut"),
    [
        ([], [[]]),
        (["a1", "b1"], [[0, 1]]),
        (["a1", "a1", "a1"], [[0, 1], [2]]),
        (["a1", "b1", "a1", "b1"], [[0, 2], [1, 3]]),
        (["a2", "a1", "a1"], [[0], [1, 2]]),
        (["a0", "a2", "a1"], [[0, 1], [2]]),
        (["a1", "a5", "a1"], [[0], [1], [2]]),
    ],
)
def test_portions_hold_a_batch_of_like_feeds_in_order(kinds, cut):
    assert [list(portion) for portion in portions(feeds(*kinds), 2)] == cut
