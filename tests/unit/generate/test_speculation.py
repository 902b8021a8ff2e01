"""Drafts: where they come from, and whether they pay."""

from chat_models import answer, greedy, references

from shoal_serving.generate.speculation import Lookup, Speculator


def test_what_followed_the_same_tokens_is_the_draft():
    assert Lookup().draft([1, 2, 3, 4, 5, 1, 2, 3], 2) == [4, 5]


def test_the_newest_place_counts():
    assert Lookup().draft([1, 2, 3, 4, 1, 2, 3, 5, 1, 2, 3], 1) == [5]


def test_tokens_that_are_new_have_no_draft():
    assert Lookup().draft([1, 2, 3, 4, 5, 6], 4) == []
    assert Lookup().draft([1, 2], 4) == []


def test_a_sequence_that_grows_is_looked_through_once():
    lookup, tokens = Lookup(), [1, 2, 3, 4]
    assert lookup.draft(tokens, 3) == []
    tokens += [9, 1, 2, 3]
    assert lookup.draft(tokens, 3) == [4, 9, 1]


def test_it_drafts_once_it_knows_what_a_plain_step_takes():
    speculator = Speculator()
    assert not speculator.worthwhile()
    speculator.plain(0.01)
    assert speculator.worthwhile()


def test_it_goes_on_while_a_second_gives_more_tokens():
    speculator = Speculator()
    for _ in range(50):
        speculator.plain(0.01)
        speculator.drafted(3, 0.02)
    assert speculator.worthwhile()


def test_it_rests_where_drafts_are_wrong_and_tries_again():
    speculator = Speculator()
    for _ in range(50):
        speculator.plain(0.01)
        speculator.drafted(1, 0.02)
    tries = [speculator.worthwhile() for _ in range(96)]
    assert 1 <= sum(tries) <= 4


async def test_answers_are_the_same_with_drafts(chat):
    for prompt, tokens in references():
        assert await answer(chat, greedy(prompt)) == tokens
    assert 0 < chat.engine.statistics.accepted < chat.engine.statistics.drafted
