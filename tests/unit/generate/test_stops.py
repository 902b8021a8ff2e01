import random

import pytest

from shoal_serving.generate.stops import StopStrings


def sent(strings, text, size, include=False):
    """The text that is sent when it comes in pieces of that size, and the stop string."""
    stops = StopStrings(strings, include)
    parts = []
    for begin in range(0, len(text), size):
        part, stop = stops.push(text[begin : begin + size])
        parts.append(part)
        if stop is not None:
            return "".join(parts), stop
    return "".join([*parts, stops.flush()]), None


@pytest.mark.parametrize("size", [1, 2, 3, 100])
@pytest.mark.parametrize(
    ("strings", "text", "expected"),
    [
        (("stop",), "go on stop it", ("go on ", "stop")),
        (("stop",), "stostop it", ("sto", "stop")),
        (("aab",), "aaaab", ("aa", "aab")),
        (("\n\n", "User:"), "Hi\nUser: you", ("Hi\n", "User:")),
        (("。", "磁盘满"), "磁盘磁盘满。", ("磁盘", "磁盘满")),
        (("stop",), "never a sto", ("never a sto", None)),
        (("abcx", "bc"), "abcx", ("a", "bc")),
        (("c", "bc"), "abc", ("a", "bc")),
        (("abc", "ab"), "abc", ("", "ab")),
        (("x",), "", ("", None)),
    ],
)
def test_text_ends_before_the_stop_string_however_it_is_cut(strings, text, expected, size):
    assert sent(strings, text, size) == expected


def test_the_stop_string_is_sent_where_it_is_included():
    assert sent(("stop", "op"), "go stop it", 3, include=True) == ("go stop", "stop")


def test_no_more_is_held_back_than_may_become_a_stop_string():
    stops = StopStrings(("###", "<end>"), include=False)
    assert stops.push("a #") == ("a ", None)
    assert stops.push("#") == ("", None)
    assert stops.push("b <en") == ("##b ", None)
    assert stops.push("d <e") == ("<end ", None)
    assert stops.flush() == "<e"


def test_it_finds_what_a_search_at_every_character_finds():
    chance = random.Random(4)
    for _ in range(500):
        strings = tuple("".join(chance.choices("ab", k=chance.randint(1, 4))) for _ in range(3))
        text = "".join(chance.choices("abc", k=20))
        ends = range(len(text) + 1)
        found = [[s for s in strings if text[:end].endswith(s)] for end in ends]
        end = next((end for end in ends if found[end]), None)
        stop = max(found[end], key=len) if end is not None else None
        expected = (text, None) if stop is None else (text[: end - len(stop)], stop)
        assert sent(strings, text, chance.randint(1, 5)) == expected
