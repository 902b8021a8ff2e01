"""Errors as responses."""

import json

import pytest

from shoal import errors
from shoal_serving.http.problems import STATUSES, problem


def test_every_request_error_has_its_status():
    assert set(STATUSES) == {*kinds(errors.RequestError)}


def kinds(error):
    for kind in error.__subclasses__():
        yield from (kind, *kinds(kind))


@pytest.mark.parametrize("error", STATUSES)
def test_the_protocol_decides_the_shape(error):
    status, kind = STATUSES[error]
    plain, openai = problem(error("oh"), "v2/x"), problem(error("oh"), "v1/x")
    assert (plain.status, openai.status) == (status, status)
    assert json.loads(plain.body) == {"error": "oh"}
    said = {"message": "oh", "type": kind, "param": None, "code": None}
    assert json.loads(openai.body) == {"error": said}


def test_openais_shape_names_the_field_at_fault():
    response = problem(errors.InvalidRequest("oh", "input"), "v1/embeddings")
    assert json.loads(response.body)["error"]["param"] == "input"


def test_a_wrong_method_is_told_the_right_ones():
    response = problem(errors.MethodNotAllowed("no", ("GET", "POST")), "v2")
    assert (b"allow", b"GET, POST") in response.headers


def test_overload_says_when_to_come_again():
    response = problem(errors.Overloaded("full", retry_after=7), "v2")
    assert (b"retry-after", b"7") in response.headers


@pytest.mark.parametrize("path", ["v2/x", "v1/x"])
def test_a_problem_stays_short_whatever_a_client_sent(path):
    response = problem(errors.InvalidRequest("x" * 10**6 + ": expected y", "x" * 10**6), path)
    assert len(response.body) < 3000
    assert b": expected y" in response.body


def test_what_nobody_expected_is_not_told_to_the_client():
    response = problem(ZeroDivisionError("/secret"), "v2")
    assert response.status == 500
    assert b"secret" not in response.body
