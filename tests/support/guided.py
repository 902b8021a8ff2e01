"""Texts that a model of pure chance writes under a grammar, with tiny-chat's tokenizer."""

from pathlib import Path

import numpy as np
from tokenizers import Tokenizer

from shoal_serving.generate.grammar.compiling import Grammars
from shoal_serving.generate.request import Grammar, GrammarKind, Sampling
from shoal_serving.generate.sampling.sampler import Sampler
from shoal_serving.generate.sampling.state import SamplingState

FILE = Path(__file__).parents[2] / "manifests/samples/models/tiny-chat/tokenizer.json"
TOKENS, END, ALSO_END = 2048, 2, 0


class Guided:
    """A model of as many logits, and the grammars it may be held to."""

    def __init__(self, vocabulary=TOKENS, end_tokens=(END,), trial=None):
        self.vocabulary = vocabulary
        self.end_tokens = frozenset(end_tokens)
        self.tokenizer = Tokenizer.from_file(str(FILE))
        text = FILE.read_text(encoding="utf-8")
        self.grammars = Grammars(text, vocabulary, self.end_tokens, trial)
        self.sampler = Sampler(vocabulary, threads=1)

    def compile(self, kind, value=None, param=None):
        return self.grammars.compile(Grammar(GrammarKind(kind), value), param)

    def state(self, compiled, sampling=None, **options):
        sampling = sampling or Sampling()
        return SamplingState(sampling, (), self.vocabulary, matcher=compiled.start(), **options)

    def step(self, states, rng, favoured=()):
        """Sample every row from noise in which the `favoured` tokens stand out."""
        noise = rng.standard_normal((len(states), self.vocabulary)) * 3
        logits = noise.astype(np.float32)
        logits[:, list(favoured)] += 20
        return self.sampler.sample(logits, states)

    def texts(self, compiled, rows=8, most=400, seed=0, favoured=()):
        """The texts of several sequences at once, None for what did not come to an end."""
        rng = np.random.default_rng(seed)
        states = [self.state(compiled, Sampling(seed=i)) for i in range(rows)]
        tokens, texts = [[] for _ in states], [None] * rows
        for _ in range(most):
            going = [i for i in range(rows) if texts[i] is None]
            sampled = self.step([states[i] for i in going], rng, favoured) if going else []
            for i, one in zip(going, sampled, strict=True):
                assert one.error is None, one.error
                states[i].accept(one.token)
                if one.token not in self.end_tokens:
                    tokens[i].append(one.token)
                else:
                    texts[i] = self.tokenizer.decode(tokens[i], skip_special_tokens=False)
        return texts

    def token(self, text):
        (token,) = self.tokenizer.encode(text, add_special_tokens=False).ids
        return token

    def allowed(self, state):
        """The tokens that may come next, found by asking for each of them."""
        logits = np.zeros((1, self.vocabulary), np.float32)
        found = set()
        for _ in range(self.vocabulary):
            one = self.sampler.sample(logits, [state])[0]
            if one.error is not None or logits[0, one.token] < 0:
                break
            found.add(one.token)
            logits[0, one.token] = -1000
        return found
