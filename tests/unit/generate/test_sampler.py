"""Which token is picked: against a plain reference, by its frequencies, and by its seed."""

from dataclasses import replace

import numpy as np
import pytest
from sampling_reference import changed, log_softmax, probabilities

from shoal.errors import InferenceFailed
from shoal_serving.generate.request import Sampling
from shoal_serving.generate.sampling.logprobs import prompt_logprobs
from shoal_serving.generate.sampling.sampler import Sampler
from shoal_serving.generate.sampling.state import SamplingState

GREEDY = Sampling(temperature=0)


def logits_of(vocabulary, seed, rows=1, spread=2.0):
    noise = np.random.default_rng(seed).standard_normal((rows, vocabulary))
    return (noise * spread).astype(np.float32)


def pick(logits, sampling, prompt=(), generated=(), **options):
    state = SamplingState(sampling, prompt, logits.size, **options)
    for token in generated:
        state.accept(token)
    return Sampler(logits.size).sample(logits[None], [state])[0]


def draw(logits, sampling, times):
    """As many tokens, each of another seed."""
    states = [SamplingState(replace(sampling, seed=seed), (), logits.size) for seed in range(times)]
    drawn = Sampler(logits.size).sample(np.tile(logits, (times, 1)), states)
    return np.array([sampled.token for sampled in drawn])


def random_sampling(rng, vocabulary):
    """One of everything that may be asked for, each half of the time."""
    maybe = {
        "top_k": int(rng.integers(1, vocabulary + 2)),
        "top_p": float(rng.uniform(0.05, 1)),
        "min_p": float(rng.uniform(0, 0.3)),
        "repetition_penalty": float(rng.uniform(0.6, 1.8)),
        "presence_penalty": float(rng.uniform(-2, 2)),
        "frequency_penalty": float(rng.uniform(-2, 2)),
        "logit_bias": {int(rng.integers(vocabulary)): float(rng.uniform(-5, 5))},
        "logprobs": int(rng.integers(0, 4)),
    }
    chosen = {name: value for name, value in maybe.items() if rng.random() < 0.5}
    return Sampling(
        temperature=float(rng.uniform(0.3, 2)), seed=int(rng.integers(1 << 60)), **chosen
    )


class TestGreedy:
    def test_takes_the_likeliest_of_every_row(self):
        logits = logits_of(1000, seed=1, rows=20)
        states = [SamplingState(GREEDY, (), 1000) for _ in range(20)]
        picked = [sampled.token for sampled in Sampler(1000).sample(logits, states)]
        assert picked == logits.argmax(axis=1).tolist()

    @pytest.mark.parametrize("seed", range(20))
    def test_takes_the_likeliest_after_bias_and_penalties(self, seed):
        rng = np.random.default_rng(seed)
        logits = logits_of(50, seed)[0]
        sampling = replace(random_sampling(rng, 50), temperature=0.0)
        prompt, generated = rng.integers(50, size=30).tolist(), rng.integers(50, size=20).tolist()
        expected = changed(logits, sampling, prompt, generated).argmax()
        assert pick(logits, sampling, prompt, generated).token == expected

    def test_a_temperature_next_to_zero_is_greedy(self):
        logits = logits_of(1000, seed=1)[0]
        assert pick(logits, Sampling(temperature=1e-300)).token == logits.argmax()
        assert pick(logits, Sampling(temperature=1e-4)).token == logits.argmax()


class TestFrequencies:
    """Of 6,000 draws, within five standard deviations for each token."""

    TIMES = 6_000

    def assert_drawn_as(self, expected, drawn):
        counts = np.bincount(drawn, minlength=expected.size)
        assert not counts[expected == 0].any()
        deviation = np.sqrt(self.TIMES * expected * (1 - expected))
        assert (np.abs(counts - self.TIMES * expected) <= 5 * deviation + 1).all()

    @pytest.mark.parametrize(
        "sampling",
        [
            Sampling(),
            Sampling(temperature=0.5),
            Sampling(temperature=1.7),
            Sampling(top_k=1),
            Sampling(top_k=4),
            Sampling(top_p=0.7),
            Sampling(top_p=1e-9),
            Sampling(min_p=0.1),
            Sampling(temperature=0.8, top_k=6, top_p=0.8),
            Sampling(temperature=1.3, top_k=8, top_p=0.9, min_p=0.05),
            Sampling(top_p=0.95, min_p=0.2),
            Sampling(logit_bias={3: 2.0, 5: -100.0}),
        ],
    )
    def test_are_those_of_the_distribution(self, sampling):
        logits = logits_of(16, seed=3, spread=1.5)[0]
        expected = probabilities(changed(logits, sampling), sampling)
        self.assert_drawn_as(expected, draw(logits, sampling, self.TIMES))

    def test_are_those_of_a_vocabulary_that_is_drawn_in_two_heats(self):
        logits = logits_of(5000, seed=4, spread=1.0)[0]
        logits[[17, 1023, 1024, 4999]] += 7
        drawn = draw(logits, Sampling(temperature=0.9), 2000)
        expected = probabilities(logits, Sampling(temperature=0.9))
        for some in ([17], [1023], [1024], [4999], range(1024), range(4096, 5000)):
            share, count = expected[some].sum(), np.isin(drawn, some).sum()
            assert abs(count - 2000 * share) <= 5 * np.sqrt(2000 * share * (1 - share))

    def test_of_places_in_one_text_are_too(self):
        logits = logits_of(16, seed=5, spread=1.0)
        state, sampler = SamplingState(Sampling(seed=7), (), 16), Sampler(16)
        drawn = []
        for _ in range(self.TIMES):
            drawn.append(sampler.sample(logits, [state])[0].token)
            state.accept(drawn[-1])
        self.assert_drawn_as(probabilities(logits[0], Sampling()), np.array(drawn))


class TestSeed:
    VOCABULARY = 300

    def text(self, sampling, logits, company=()):
        """20 tokens of a sequence, in a batch with others at random places."""
        rng = np.random.default_rng(len(company))
        sampler = Sampler(self.VOCABULARY)
        states = [SamplingState(one, (1, 2, 3), self.VOCABULARY) for one in (sampling, *company)]
        tokens = []
        for step in logits:
            order = rng.permutation(len(states))
            rows = logits_of(self.VOCABULARY, int(rng.integers(1000)), len(states))
            rows[order.tolist().index(0)] = step
            sampled = sampler.sample(rows, [states[i] for i in order])
            for i, one in zip(order, sampled, strict=True):
                states[i].accept(one.token)
                if i == 0:
                    tokens.append(one.token)
        return tokens

    @pytest.mark.parametrize("seed", range(12))
    def test_gives_the_same_text_alone_and_in_any_company(self, seed):
        rng = np.random.default_rng(seed)
        sampling = random_sampling(rng, self.VOCABULARY)
        company = [random_sampling(rng, self.VOCABULARY) for _ in range(7)]
        logits = logits_of(self.VOCABULARY, seed, rows=20)
        assert self.text(sampling, logits) == self.text(sampling, logits, company)

    def test_another_gives_another_text(self):
        logits = logits_of(self.VOCABULARY, 1, rows=20)
        texts = [self.text(Sampling(seed=seed), logits) for seed in (-1, 0, 1, 1 << 62)]
        assert len({tuple(text) for text in texts}) == 4

    def test_none_gives_another_text_each_time(self):
        logits = logits_of(self.VOCABULARY, 1, rows=20)
        assert self.text(Sampling(), logits) != self.text(Sampling(), logits)

    def test_is_used_up_by_tokens_and_not_by_draws(self):
        """As when a draft is refused and its place is sampled again."""
        logits, sampler = logits_of(self.VOCABULARY, 1), Sampler(self.VOCABULARY)
        state = SamplingState(Sampling(seed=3), (), self.VOCABULARY)
        drawn = {sampler.sample(logits, [state])[0].token for _ in range(5)}
        assert len(drawn) == 1

    @pytest.mark.parametrize("sampling", [Sampling(), Sampling(top_p=0.9), Sampling(top_k=40)])
    def test_gives_the_same_text_for_logits_that_differ_by_roundings(self, sampling):
        logits = logits_of(6000, seed=2)[0]
        noise = np.random.default_rng(9).uniform(-1e-6, 1e-6, 6000).astype(np.float32)
        same = draw(logits, sampling, 1000) == draw(logits + noise, sampling, 1000)
        assert np.count_nonzero(~same) <= 1


class TestEndTokens:
    def test_are_not_picked_before_enough_tokens(self):
        logits = logits_of(50, seed=1)[0]
        logits[[7, 8]] = 30
        options = {"end_tokens": {7, 8}, "min_tokens": 3}
        for generated in range(3):
            assert pick(logits, GREEDY, (), [1] * generated, **options).token not in (7, 8)
        assert pick(logits, GREEDY, (), [1] * 3, **options).token == 7

    def test_outside_the_vocabulary_are_no_concern(self):
        logits = logits_of(50, seed=1)[0]
        sampled = pick(logits, GREEDY, (60,), end_tokens={50, 99}, min_tokens=3)
        assert sampled.token == logits.argmax()


class TestLogprobs:
    def test_are_of_the_models_own_distribution(self):
        logits = logits_of(200, seed=6)[0]
        sampling = Sampling(temperature=0.2, top_k=3, logit_bias={5: 100.0}, logprobs=4)
        entry = pick(logits, sampling, generated=[5, 5]).logprob
        expected = log_softmax(logits)
        likeliest = np.argsort(-expected)[:4]
        assert entry.token == 5
        assert entry.logprob == pytest.approx(expected[5], abs=1e-5)
        assert [token for token, _ in entry.top] == likeliest.tolist()
        assert [value for _, value in entry.top] == pytest.approx(expected[likeliest], abs=1e-5)

    def test_of_equally_likely_tokens_come_by_their_number(self):
        entry = pick(np.zeros(5000, np.float32), Sampling(logprobs=3)).logprob
        assert [token for token, _ in entry.top] == [0, 1, 2]

    def test_leave_out_what_is_impossible(self):
        logits = np.full(50, -np.inf, np.float32)
        logits[[3, 4]] = 0
        entry = pick(logits, Sampling(logprobs=5)).logprob
        assert [token for token, _ in entry.top] == [3, 4]

    def test_may_be_the_tokens_own_alone(self):
        logits = logits_of(50, seed=1)[0]
        assert pick(logits, Sampling(logprobs=0)).logprob.top == ()
        assert pick(logits, Sampling()).logprob is None

    def test_of_a_prompt_are_of_its_own_tokens(self):
        logits = logits_of(200, seed=6, rows=3)
        entries = prompt_logprobs(logits, [7, 199, 0], top=2)
        for row, token, entry in zip(logits, [7, 199, 0], entries, strict=True):
            assert (entry.token, len(entry.top)) == (token, 2)
            assert entry.logprob == pytest.approx(log_softmax(row)[token], abs=1e-5)
            assert entry.top[0][0] == row.argmax()

    def test_of_a_prompt_need_numbers(self):
        logits = logits_of(20, seed=6, rows=3)
        logits[1, 4] = np.nan
        with pytest.raises(InferenceFailed, match="not finite"):
            prompt_logprobs(logits, [1, 2, 3], top=0)


class TestFailures:
    @pytest.mark.parametrize("broken", [np.nan, np.inf])
    @pytest.mark.parametrize("sampling", [GREEDY, Sampling(), Sampling(top_k=3, logprobs=2)])
    def test_logits_that_are_no_numbers_fail_their_row_only(self, broken, sampling):
        logits = logits_of(100, seed=1, rows=3)
        logits[1, 77] = broken
        states = [SamplingState(sampling, (), 100) for _ in range(3)]
        first, second, third = Sampler(100).sample(logits, states)
        assert second.token == -1
        assert "not finite" in str(second.error)
        assert first.error is None
        assert third.error is None

    def test_a_row_without_any_token_fails(self):
        sampled = pick(np.full(10, -np.inf, np.float32), Sampling())
        assert isinstance(sampled.error, InferenceFailed)

    def test_a_row_of_which_nothing_is_left_fails(self):
        logits = np.zeros(3, np.float32)
        sampled = pick(logits, GREEDY, end_tokens={0, 1, 2}, min_tokens=1)
        assert "no token can be picked" in str(sampled.error)


def test_the_logits_stay_as_they_are():
    logits = logits_of(100, seed=1)
    before = logits.copy()
    state = SamplingState(Sampling(logit_bias={1: 5.0}, logprobs=3, top_p=0.5), (), 100)
    Sampler(100).sample(logits, [state])
    assert (logits == before).all()


def test_a_sampler_serves_any_number_of_rows():
    sampler = Sampler(100)
    for rows in (1, 5, 2, 0):
        logits = logits_of(100, seed=rows, rows=rows)
        states = [SamplingState(Sampling(), (), 100) for _ in range(rows)]
        assert len(sampler.sample(logits, states)) == rows
