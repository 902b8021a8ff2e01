"""How much of the prompts a step takes, from what runs were seen to cost."""

from shoal_serving.generate.pace import MOST, Pace


def learned(token=0.001, **decode):
    pace = Pace()
    for _ in range(50):
        pace.prefilled(100, 100 * token)
        for rows, seconds in decode.items():
            pace.decoded(int(rows.removeprefix("rows")), seconds)
    return pace


def test_without_anybody_who_decodes_prompts_have_the_whole_step():
    assert learned().budget(0) == MOST


def test_a_step_is_no_longer_than_newcomers_can_wait_however_slow_the_model():
    assert learned(token=0.01).budget(0) == 100


def test_a_prompt_may_take_two_decode_runs():
    assert learned(rows8=0.04).budget(8) == 80


def test_prompts_that_outnumber_those_who_decode_may_take_more():
    pace = learned(rows8=0.04)
    assert pace.budget(8, prompts=4) == pace.budget(8)
    assert pace.budget(8, prompts=24) == 3 * pace.budget(8)
    assert pace.budget(8, prompts=80) == 250


def test_it_goes_slowly_where_costs_are_not_known():
    assert Pace().budget(0) == Pace().budget(3) == 16
    assert learned(rows8=0.04).budget(1) == 16


def test_a_prompt_always_comes_on():
    assert learned(token=1.0, rows1=0.01).budget(1) == 16


def test_rows_of_like_number_cost_alike():
    pace = learned(rows16=0.1)
    assert pace.budget(17) == pace.budget(16)
    assert pace.budget(32) == 16


def test_costs_that_change_are_learned_anew():
    pace = learned(rows8=0.04)
    for _ in range(50):
        pace.decoded(8, 0.08)
    assert pace.budget(8) in (159, 160)


def test_prompts_grow_fast_where_their_length_hardly_matters():
    """As on a GPU: 512 tokens take as long as one."""
    pace, seen = Pace(), []
    pace.decoded(8, 0.0024)
    for _ in range(6):
        pace.prefilled(pace.budget(8), 0.0026)
        seen.append(pace.budget(8))
    assert seen == sorted(seen)
    assert seen[-1] == MOST


def test_prompts_that_grew_too_long_are_cut_again():
    pace = Pace()
    pace.decoded(8, 0.01)
    for tokens in (16, 64, 256):
        pace.prefilled(tokens, 0.011)
    assert pace.budget(8) == MOST
    for _ in range(30):
        tokens = pace.budget(8)
        pace.prefilled(tokens, 0.01 + 0.0002 * tokens)
    assert 0.015 < 0.01 + 0.0002 * pace.budget(8) < 0.03
