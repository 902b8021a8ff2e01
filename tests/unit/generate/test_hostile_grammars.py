"""Grammars that are meant to hurt: refused, or followed within their limits; never more."""

import contextlib
import json
import subprocess
import sys
import threading

import numpy as np
import psutil
import pytest
from guided import Guided

from shoal.errors import InferenceFailed, InvalidRequest
from shoal_serving.generate.grammar.trial import Trial


@pytest.fixture(scope="module")
def guided():
    guided = Guided(trial=Trial(limit_s=2.0))
    yield guided
    guided.grammars.close()


@pytest.fixture(scope="module")
def impatient():
    """For what never ends: it keeps a processor busy until it is given up."""
    guided = Guided(trial=Trial(limit_s=0.3))
    yield guided
    guided.grammars.close()


def nested(levels, inner):
    for _ in range(levels):
        inner = {"type": "array", "items": inner}
    return inner


def rules(count, line, last):
    return "\n".join(["start: r0", *(line.format(i, i + 1) for i in range(count)), last])


def alternatives(count):
    return [
        {"anyOf": [{"properties": {f"p{i}": {}}}, {"properties": {f"q{i}": {}}}]}
        for i in range(count)
    ]


EXPONENTIAL = "(a|b)*a(a|b){{{}}}"
ENDLESS = "too much time or memory"
REFUSED = {
    "a long expression": ("regex", "a" * 300_000, "too large: 300000 bytes"),
    "deep parentheses": ("regex", "(" * 5000 + ")" * 5000, "invalid regex"),
    "an unclosed group": ("regex", "(ab", "invalid regex"),
    "look-around": ("regex", "(?=a)a", "invalid regex"),
    "no Unicode": ("regex", "a\ud800", "not valid Unicode"),
    "no text": ("regex", 5, "expected a regex grammar, a string, got a int"),
    "an unknown rule": ("lark", "start: foo", "unknown name"),
    "no Lark": ("lark", "%%%", "lexer error"),
    "deep Lark": ("lark", "start: " + "(" * 10_000 + '"a"' + ")" * 10_000, "too deeply nested"),
    "doubling terminals": (
        "lark", rules(40, "R{0}: R{1} R{1}", 'R40: "a"').replace("r0", "R0"), "too big"
    ),
    "an intersection": (
        "lark",
        "start: T\nT: " + " & ".join(f"/{EXPONENTIAL.format(i)}/" for i in range(30)),
        ENDLESS,
    ),
    "an intersection in a schema": (
        "json_schema",
        {"allOf": [{"type": "string", "pattern": EXPONENTIAL.format(i) + "$"} for i in range(30)]},
        ENDLESS,
    ),
    "a number that has many divisors": (
        "json_schema",
        {"allOf": [{"type": "integer", "multipleOf": prime} for prime in (97, 89, 83, 79)]},
        ENDLESS,
    ),
    "deep arrays": ("json_schema", nested(5000, {}), "nested too deeply: 100 levels"),
    "an enormous enum": ("json_schema", {"enum": [f"v{i}" for i in range(100_000)]}, "too large"),
    "doubling alternatives": ("json_schema", {"allOf": alternatives(15)}, "too large"),
    "a remote reference": ("json_schema", {"$ref": "http://127.0.0.1/x"}, "does not fetch"),
    "a file": ("json_schema", {"$ref": "file:///etc/passwd"}, "does not fetch"),
    "a reference to nothing": ("json_schema", {"$ref": "#/$defs/x"}, "x"),
    "a cycle of references": (
        "json_schema",
        {"$defs": {"a": {"allOf": [{"$ref": "#/$defs/a"}, {"type": "object"}]}},
         "$ref": "#/$defs/a"},
        "circular",
    ),
    "an unknown type": ("json_schema", {"type": "foo"}, "Invalid type: foo"),
    "an unknown keyword": ("json_schema", {"type": "object", "if": {}}, "Unimplemented keys"),
    "llguidance's own keyword": ("json_schema", {"x-guidance": {}}, "'x-guidance' is no part"),
    "huge numbers": ("json_schema", {"type": "integer", "minimum": 10**300}, "range"),
    "more digits than Python writes": ("json_schema", {"minimum": 10**5000}, "not valid JSON"),
    "not a number": ("json_schema", {"minimum": float("nan")}, "not valid JSON"),
    "no schema": ("json_schema", [1], "expected a JSON schema, an object, got a list"),
    "a schema of nothing": ("json_schema", False, "expected a JSON schema, an object, got a bool"),
    "no choices": ("choice", [], "expected a list of texts to choose from, got an empty list"),
    "choices of numbers": ("choice", ["a", 1], "not all of them are strings"),
    "one text": ("choice", "abc", "expected a list of texts"),
    "endless choices": ("choice", ["x" * 10] * 100_000, "too large"),
}  # fmt: skip

ENDURED = {
    "nested repetitions": ("regex", "(a{1,1000}){1,1000}"),
    "nested repetitions of three": ("regex", "((a{1,100}){1,100}){1,100}"),
    "an automaton of 2**200 states": ("regex", EXPONENTIAL.format(200)),
    "anything, often": ("regex", ".{1,20000}"),
    "letters of all languages": ("regex", r"\w{1000}"),
    "many words": ("regex", "|".join(f"word{i}" for i in range(10_000))),
    "repetitions in a pattern": (
        "json_schema", {"type": "string", "pattern": "^(a{1,1000}){1,1000}$"}
    ),
    "a thousand properties": (
        "json_schema",
        {"type": "object", "properties": {f"p{i}": {"type": "string"} for i in range(1000)}},
    ),
    "a thousand alternatives": (
        "json_schema",
        {"anyOf": [{"type": "object", "properties": {f"p{i}": {}}} for i in range(1000)]},
    ),
    "a large enum": ("json_schema", {"enum": [f"v{i}" for i in range(10_000)]}),
    "arrays as deep as may be": ("json_schema", nested(98, {"type": "null"})),
    "itself": ("json_schema", {"$ref": "#"}),
    "each other": (
        "json_schema",
        {"$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"$ref": "#/$defs/a"}}, "$ref": "#/$defs/a"},
    ),
    "doubling references": (
        "json_schema",
        {"$defs": {**{f"d{i}": {"type": "array", "prefixItems": [{"$ref": f"#/$defs/d{i + 1}"}] * 2,
                               "items": False, "minItems": 2} for i in range(30)},
                   "d30": {"type": "null"}}, "$ref": "#/$defs/d0"},
    ),
    "a long string": ("json_schema", {"type": "string", "minLength": 10**9}),
    "a long array": (
        "json_schema", {"type": "array", "items": {"type": "null"}, "minItems": 10**9}
    ),
    "ambiguity": ("lark", 'start: a*\na: b | c | d\nb: "x"*\nc: "x"*\nd: "x"*'),
    "left recursion": ("lark", 'start: start start | "a" | '),
    "doubling rules": ("lark", rules(40, "r{0}: r{1} r{1}", 'r40: "a"')),
    "many rules": ("lark", 'start: a{1,100000}\na: "a" | "b" a'),
    "recursion through JSON": ("lark", 'start: %json {"type": "array", "items": {"$ref": "#"}}'),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_it_is_refused_with_a_short_reason(guided, impatient, name):
    kind, value, reason = REFUSED[name]
    compiler = impatient if reason == ENDLESS else guided
    with pytest.raises(InvalidRequest) as caught:
        compiler.compile(kind, value, "response_format")
    assert reason in str(caught.value)
    assert caught.value.param == "response_format"
    assert len(str(caught.value)) < 400
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ENDURED)
def test_it_is_followed_until_it_fails_by_itself(guided, name):
    """Each step of it, and of its neighbour, comes to an end; and only its own sequence fails."""
    states = [
        guided.state(guided.compile(*ENDURED[name])),
        guided.state(guided.compile("regex", ".*")),
    ]
    rng = np.random.default_rng(0)
    for _ in range(40):
        sampled, neighbour = guided.step(states, rng)
        assert neighbour.error is None
        if sampled.error is not None:
            assert "the grammar cannot be followed further" in str(sampled.error)
            break
        states[0].accept(sampled.token)


class TestTrial:
    HANGS = json.dumps({"grammars": [{"lark_grammar": REFUSED["an intersection"][1]}]})
    FINE = json.dumps({"grammars": [{"lark_grammar": 'start: "a"'}]})

    def test_goes_on_after_a_grammar_that_had_to_be_stopped(self):
        trial = Trial(limit_s=0.5)
        assert "too much time" in trial.fault(self.HANGS)
        assert trial.fault(self.FINE) is None
        trial.close()

    def test_counts_the_time_of_a_processor_not_that_of_a_clock(self):
        others = set(psutil.Process().children())
        with contextlib.closing(Trial(limit_s=0.5)) as trial:
            assert trial.fault(self.FINE) is None
            (process,) = set(psutil.Process().children()) - others
            process.suspend()
            resumed = threading.Timer(1.0, process.resume)
            resumed.start()
            assert trial.fault(self.FINE) is None
            assert resumed.finished.is_set()

    def test_can_be_closed_and_used_again(self):
        trial = Trial()
        trial.close()
        assert trial.fault(self.FINE) is None
        trial.close()
        assert "unknown name" in trial.fault(self.FINE.replace('\\"a\\"', "foo"))
        trial.close()

    def test_says_so_when_it_does_not_start(self, monkeypatch):
        monkeypatch.setattr(sys, "executable", "/bin/false")
        with pytest.raises(InferenceFailed, match="ended with status 1 at once"):
            Trial().fault(self.FINE)

    def test_ends_with_its_parent(self):
        command = [sys.executable, "-P", "-m", "shoal_serving.generate.grammar.trial", "1"]
        done = subprocess.run(command, input=b"", capture_output=True, timeout=60, check=True)
        assert done.stdout == b'""\n'
