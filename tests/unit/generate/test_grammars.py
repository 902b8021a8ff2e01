"""Texts under a grammar: whatever the model wants, what comes out has the form."""

import json
import re

import jsonschema
import numpy as np
import pytest
from guided import ALSO_END, END, TOKENS, Guided

from shoal.errors import InvalidRequest
from shoal_serving.generate.grammar.compiling import Grammars
from shoal_serving.generate.request import Grammar, GrammarKind, Sampling
from shoal_serving.generate.sampling.state import SamplingState

PERSON = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "maxLength": 20},
        "age": {"type": "integer", "minimum": 0, "maximum": 150},
        "mood": {"enum": ["好", "🙂", "so so"]},
        "tags": {"type": "array", "items": {"type": "string", "maxLength": 5}, "maxItems": 3},
        "boss": {"anyOf": [{"type": "null"}, {"$ref": "#/$defs/boss"}]},
    },
    "required": ["name", "age", "mood", "boss"],
    "additionalProperties": False,
    "$defs": {"boss": {"type": "object", "properties": {"id": {"const": 7}}, "required": ["id"],
                       "additionalProperties": False}},
}  # fmt: skip


@pytest.fixture(scope="module")
def guided():
    guided = Guided()
    yield guided
    guided.grammars.close()


def favourites(guided):
    """What a model might insist on: nothing, spaces, quotes, the end, letters."""
    every = guided.tokenizer.get_vocab()
    return [
        (),
        [token for piece, token in every.items() if set(piece) <= {"Ġ", "Ċ"}],
        [token for piece, token in every.items() if '"' in piece or "\\" in piece],
        [END],
        [token for piece, token in every.items() if piece.isalpha()],
    ]


class TestJson:
    @pytest.mark.parametrize("turn", range(5))
    def test_of_a_schema_is_valid_whatever_the_model_wants(self, guided, turn):
        compiled = guided.compile("json_schema", PERSON)
        for text in guided.texts(compiled, seed=turn, favoured=favourites(guided)[turn]):
            jsonschema.validate(json.loads(text), PERSON)

    def test_has_no_spaces_that_a_model_could_write_for_ever(self, guided):
        compiled = guided.compile("json_schema", PERSON)
        for text in guided.texts(compiled, favoured=favourites(guided)[1]):
            value = json.loads(text)
            assert text == json.dumps(value, separators=(",", ":"), ensure_ascii=False)

    def test_without_a_schema_is_an_object(self, guided):
        compiled = guided.compile("json_object")
        closing = [t for p, t in guided.tokenizer.get_vocab().items() if p in ('"', "}", '"}', "]")]
        texts = guided.texts(compiled, favoured=closing)
        assert all(isinstance(json.loads(text), dict) for text in texts)

    def test_of_the_schema_true_is_any(self, guided):
        assert guided.compile("json_schema", True) is guided.compile("json_schema", {})


class TestRegex:
    @pytest.mark.parametrize(
        "expression",
        [
            "[a-z]{3,8}@[a-z]{2,5}/(com|org)",
            "[0-9]{4}(-[0-9]{2}){2}",
            "[一-龥]{2,6}[。!?]",
            "(🙂|🎉|é){1,4}",
            "(yes|no)?",
            '"[^"]{0,9}"',
        ],
    )
    def test_matches_the_whole_text(self, guided, expression):
        for text in guided.texts(guided.compile("regex", expression)):
            assert re.fullmatch(expression, text)


class TestChoice:
    CHOICES = ("positive", "posit", "负面", "🎉👍🏽", 'a "quoted"\n\\ one', "ünï/cödé|x", "")

    def test_is_one_of_them(self, guided):
        compiled = guided.compile("choice", self.CHOICES)
        texts = [text for seed in range(12) for text in guided.texts(compiled, seed=seed)]
        assert set(texts) <= set(self.CHOICES)
        assert len(set(texts)) > 4

    @pytest.mark.parametrize("choice", [choice for choice in CHOICES if choice])
    def test_of_one_is_that_one(self, guided, choice):
        assert guided.texts(guided.compile("choice", [choice]), rows=1) == [choice]


def test_lark_is_followed(guided):
    compiled = guided.compile("lark", 'start: item (", " item)*\nitem: /[a-c]{1,3}/ "=" /[0-9]/')
    for text in guided.texts(compiled):
        assert re.fullmatch("[a-c]{1,3}=[0-9](, [a-c]{1,3}=[0-9])*", text)


class TestTheEnd:
    def test_is_all_that_may_follow_a_complete_text(self, guided):
        state = guided.state(guided.compile("choice", ["a"]))
        assert not state.finished
        state.accept(guided.token("a"))
        assert state.finished
        assert guided.allowed(state) == {END}

    def test_may_be_any_of_several_tokens(self):
        guided = Guided(end_tokens=(END, ALSO_END, TOKENS + 5))
        state = guided.state(guided.compile("regex", "a*"))
        assert {END, ALSO_END} < guided.allowed(state)
        state.accept(ALSO_END)
        assert state.finished
        assert guided.allowed(state) == {END, ALSO_END}
        guided.grammars.close()

    def test_comes_when_the_text_is_complete_even_before_min_tokens(self, guided):
        compiled = guided.compile("regex", "ab?")
        state = guided.state(compiled, end_tokens=guided.end_tokens, min_tokens=5)
        state.accept(guided.token("a"))
        assert guided.allowed(state) == {guided.token("b")}
        state.accept(guided.token("b"))
        assert guided.allowed(state) == {END}

    def test_needs_a_token_for_it(self):
        guided = Guided(end_tokens=())
        with pytest.raises(InvalidRequest, match="this model cannot follow a grammar: it has no"):
            guided.compile("json_object")
        guided.grammars.close()


class TestVocabulary:
    @pytest.mark.parametrize("vocabulary", [TOKENS + 77, TOKENS - 5])
    def test_of_the_logits_may_be_another_than_the_tokenizers(self, vocabulary):
        guided = Guided(vocabulary)
        beyond = range(TOKENS, vocabulary)
        for text in guided.texts(guided.compile("json_schema", PERSON), favoured=beyond):
            jsonschema.validate(json.loads(text), PERSON)
        guided.grammars.close()

    def test_must_be_one_that_can_be_read(self):
        grammars = Grammars('{"model": {"type": "BPE"}}', 10, frozenset({1}))
        with pytest.raises(InvalidRequest, match="this model cannot follow a grammar"):
            grammars.compile(Grammar(GrammarKind.JSON_OBJECT))
        grammars.close()


class TestBatch:
    def test_rows_with_and_without_grammars_do_not_disturb_each_other(self, guided):
        compiled = guided.compile("json_schema", PERSON)
        rng = np.random.default_rng(1)
        logits = rng.standard_normal((6, TOKENS)).astype(np.float32)

        def states():
            held = [guided.state(compiled, Sampling(seed=i)) for i in range(4)]
            free = [SamplingState(Sampling(seed=i), (), TOKENS) for i in range(2)]
            return [free[0], *held, free[1]]

        together = guided.sampler.sample(logits, states())
        alone = [
            guided.sampler.sample(logits[i : i + 1], [state])[0] for i, state in enumerate(states())
        ]
        assert together == alone

    def test_a_grammar_that_fails_ends_its_own_row_only(self, guided):
        compiled = guided.compile("choice", ["abc"])
        states = [guided.state(compiled) for _ in range(3)]
        states[1].accept(guided.token("x"))
        first, second, third = guided.step(states, np.random.default_rng(0))
        assert "the grammar cannot be followed further" in str(second.error)
        assert len(str(second.error)) < 400
        assert first.error is None
        assert third.error is None


class TestCompiled:
    def test_grammars_are_remembered(self, guided):
        first = guided.compile("json_schema", PERSON)
        assert guided.compile("json_schema", json.loads(json.dumps(PERSON))) is first

    def test_grammars_are_forgotten_when_there_are_many(self, guided):
        first = guided.compile("choice", ["first"])
        for i in range(16):
            guided.compile("choice", [f"other {i}"])
        assert guided.compile("choice", ["first"]) is not first

    def test_grammars_start_anew_for_every_sequence(self, guided):
        compiled = guided.compile("choice", ["ab"])
        guided.state(compiled).accept(guided.token("a"))
        assert guided.texts(compiled, rows=1) == ["ab"]
