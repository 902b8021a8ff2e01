"""A rule is said once: pydantic checks it, and a schema carries it."""

from typing import Annotated

import pytest
from pydantic import TypeAdapter, ValidationError

from shoal.api.base import OneOf, Spec
from shoal.api.rules import VALIDATIONS, Rule, changeless, matching

Word = Annotated[str, matching(r"^[a-z]+$", "expected a word")]


class Engine(OneOf):
    """Two engines."""

    onnx_runtime: Spec | None = None
    triton: Spec | None = None


class Span(Spec):
    """From one to another."""

    first: int = 0
    last: int = 0
    rules = (
        Rule(
            "expected first to be at most last",
            cel="self.first <= self.last",
            holds=lambda span: span.first <= span.last,
            field="first",
        ),
    )


def test_a_text_matches_from_end_to_end():
    words = TypeAdapter(Word)
    assert words.validate_python("abc") == "abc"
    for text in ("", "a b", "abc\n"):
        with pytest.raises(ValidationError, match="expected a word"):
            words.validate_python(text)


def test_a_type_carries_its_rule():
    rule = {"rule": "self.matches(r'^[a-z]+$')", "message": "expected a word"}
    assert TypeAdapter(Word).json_schema() == {"type": "string", VALIDATIONS: [rule]}


def test_a_class_checks_its_rules_and_carries_them():
    assert Span(first=1, last=1)
    with pytest.raises(ValidationError, match="expected first to be at most last"):
        Span(first=2, last=1)
    (rule,) = Span.model_json_schema()[VALIDATIONS]
    assert (rule["rule"], rule["fieldPath"]) == ("self.first <= self.last", ".first")


@pytest.mark.parametrize("said", [{}, {"triton": {}, "onnxRuntime": {}}])
def test_a_union_is_exactly_one_of_its_fields(said):
    assert Engine.model_validate({"triton": {}})
    with pytest.raises(ValidationError, match="expected exactly one of: onnxRuntime, triton"):
        Engine.model_validate(said)
    (rule,) = Engine.model_json_schema()[VALIDATIONS]
    assert rule["rule"] == "[has(self.onnxRuntime), has(self.triton)].exists_one(said, said)"


def test_what_is_changeless_is_for_an_api_server_to_tell():
    rule = changeless("namespace", "cannot be changed")
    assert rule.check("anything") == "anything"
    assert "self.__namespace__ == oldSelf.__namespace__" in rule.validation["rule"]
    assert rule.validation["reason"] == "FieldValueForbidden"
