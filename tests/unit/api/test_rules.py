"""A rule is said once: pydantic checks it, and a schema carries it."""

import re
from ipaddress import ip_network
from typing import Annotated

import pytest
from pydantic import TypeAdapter, ValidationError

from shoal.api import ObjectMeta
from shoal.api.base import OneOf, Spec
from shoal.api.fleet import FOLDER, REDIS_ADDRESS, RocksDB
from shoal.api.network import CIDR
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


ADDRESSES = [
    "0.0.0.0/0",
    "10.0.0.0/8",
    "10.1.2.3/32",
    "255.255.255.255/9",
    "fd00::/8",
    "::/0",
    "::1/128",
    "1::/16",
    "1:2:3:4:5:6:7:8/64",
    "1::8/7",
    "1:2:3:4:5:6:7::/112",
    "::2:3:4:5:6:7:8/99",
    "1:2::7:8/100",
    "Fe80::AB:1/119",
    "999.1.1.1/99",
    "256.0.0.0/8",
    "10.0.0/8",
    "10.0.0.0",
    "10.0.0.0/33",
    "10.0.0.0/-1",
    "10.0.0.0/",
    "1.2.3.4.5/8",
    ":::/8",
    "1::2::3/8",
    "12345::/8",
    "1:2:3:4:5:6:7/8",
    "1:2:3:4:5:6:7:8:9/8",
    "1:2:3:4:5:6:7:8::/8",
    "::/129",
    "g::/8",
    ":/8",
]


@pytest.mark.parametrize("text", ADDRESSES)
def test_a_range_of_addresses_is_what_python_takes_for_one(text):
    try:
        sound = "/" in text and bool(ip_network(text, strict=False))
    except ValueError:
        sound = False
    assert bool(re.fullmatch(CIDR, text)) == sound


def test_spaces_are_those_of_both_expressions():
    assert re.fullmatch(REDIS_ADDRESS, "re\u00a0dis:6379")
    for space in " \t\n\f\r":
        assert not re.fullmatch(REDIS_ADDRESS, f"re{space}dis:6379")
        assert not re.fullmatch(FOLDER, f"/a{space}b")


@pytest.mark.parametrize("key", ["Example.com/x", "example.com/X", "x", "A.b-C/d"])
def test_a_key_of_an_annotation_may_have_a_prefix_in_capitals(key):
    assert ObjectMeta(name="x", annotations={key: ""}).annotations == {key: ""}


@pytest.mark.parametrize("key", ["-a/x", "a b", "a/b/c", "a_b/c"])
def test_a_key_that_no_api_server_takes_is_refused(key):
    with pytest.raises(ValidationError, match="expected a key such as"):
        ObjectMeta(name="x", annotations={key: ""})


def test_a_volume_neither_changes_its_class_nor_shrinks():
    said = RocksDB.model_json_schema()[VALIDATIONS]
    assert [rule.get("fieldPath") for rule in said] == [".storageClassName", ".size"]
    assert all("oldSelf" in rule["rule"] for rule in said)
    assert RocksDB(size="1Gi").size == "1Gi"
