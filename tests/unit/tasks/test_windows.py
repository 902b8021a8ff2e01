import numpy as np
import pytest

from shoal_serving.tasks.activations import softmax
from shoal_serving.tasks.windows import Windows

# A row is [CLS] question [SEP] text [SEP]: 3 positions before the text, 4 that are not text.
OFFSET, SIZE = 3, 4


def windows(length, room=8, stride=4):
    return Windows(length, room, stride, OFFSET, SIZE)


def row(text, outside=0.0, padding=0):
    return np.array([outside] * OFFSET + [*text, outside] + [99.0] * padding, np.float32)


@pytest.mark.parametrize(
    ("length", "begins"),
    [(1, [0]), (8, [0]), (9, [0, 4]), (12, [0, 4]), (13, [0, 4, 8]), (16, [0, 4, 8])],
)
def test_windows_overlap_and_reach_the_end(length, begins):
    assert list(windows(length).begins) == begins


def largest(plan, texts):
    """The probability of each token of the text, where it is largest."""
    found = np.zeros(plan.length)
    for begin, text in zip(plan.begins, texts, strict=True):
        seen = found[begin : begin + len(text)]
        np.maximum(seen, np.exp(text), out=seen)
    return found


def test_one_window_is_its_softmax_over_all_positions():
    logits = row([1, 2, 3], outside=0.5)
    (text,), first = windows(3).log_probabilities([logits])
    wanted = softmax(logits)
    np.testing.assert_allclose(np.exp(text), wanted[OFFSET : OFFSET + 3], rtol=1e-5)
    assert np.exp(first) == pytest.approx(wanted[0], rel=1e-5)


def test_padding_is_ignored():
    (padded,), _ = windows(3).log_probabilities([row([1, 2, 3], padding=7)])
    (bare,), _ = windows(3).log_probabilities([row([1, 2, 3])])
    np.testing.assert_array_equal(padded, bare)


def test_every_window_says_what_it_saw():
    texts, _ = windows(12).log_probabilities([row(range(8)), row(range(100, 108))])
    for text in texts:
        np.testing.assert_allclose(text - text[0], range(8), atol=1e-4)
    assert texts[1][0] - texts[0][0] == pytest.approx(100)


@pytest.mark.parametrize("stride", [0, 1, 5, 7])
@pytest.mark.parametrize("length", [9, 20, 50])
def test_a_token_counts_once_however_many_windows_saw_it(length, stride):
    plan = windows(length, stride=stride)
    rows = [row(range(begin, min(begin + 8, length)), outside=-50) for begin in plan.begins]
    texts, _ = plan.log_probabilities(rows)
    assert [len(text) for text in texts] == [len(row) - SIZE for row in rows]
    assert largest(plan, texts).sum() == pytest.approx(1, abs=1e-5)


def test_a_window_without_the_answer_does_not_look_like_one_with_it():
    answer, nothing = row([0, 0, 9, 0, 0, 0, 0, 0]), row([0, 0, 0, 0, 2, 0, 0, 0], outside=1)
    (first, second), _ = windows(12).log_probabilities([answer, nothing])
    assert np.exp(first[2]) > 0.9
    assert np.exp(second[4]) < 0.01


def test_half_precision_logits_are_read_in_single_precision():
    (text,), _ = windows(3).log_probabilities([row([1, 2, 3]).astype(np.float16)])
    assert text.dtype == np.float32
