"""What refusals mean, and how long to wait."""

import json

import pytest

from shoal.cluster.kube.answers import LONGEST_WAIT_S, Refused, passes, refusal, wait_after
from shoal.cluster.kube.kinds import MODEL, RAY_SERVICE
from shoal.errors import AccessDenied, KindMissing


def status(message: str = "no", **details: str) -> bytes:
    return json.dumps({"kind": "Status", "message": message, "details": details}).encode()


def test_a_missing_right_names_verb_resource_and_object():
    error = refusal("patch", MODEL, "ops/it", 403, status("RBAC says no"))
    assert isinstance(error, AccessDenied)
    assert str(error) == "not allowed to patch models.shoal.dev ops/it: RBAC says no"


@pytest.mark.parametrize("body", [b"404 page not found\n", status()])
def test_an_address_that_is_not_there_is_a_missing_kind(body):
    error = refusal("list", RAY_SERVICE, "", 404, body)
    assert isinstance(error, KindMissing)
    assert error.kind == "RayService"
    assert str(error) == "the cluster has no rayservices.ray.io (ray.io/v1): install KubeRay"


def test_an_object_that_is_not_there_is_none():
    error = refusal("get", MODEL, "ops/it", 404, status('models "it" not found', name="it"))
    assert isinstance(error, Refused)
    assert (error.code, error.about) == (404, "it")


@pytest.mark.parametrize(("code", "passing"), [(429, True), (401, True), (503, True), (422, False)])
def test_what_may_pass_is_tried_again(code, passing):
    assert passes(code) is passing


def test_waits_grow_and_are_bounded():
    waits = [wait_after(attempt, None) for attempt in (1, 4, 31)]
    assert waits[0] <= 0.1 < waits[1] < waits[2] <= LONGEST_WAIT_S


def test_the_servers_own_wait_counts_up_to_a_bound():
    assert 3 <= wait_after(1, "3") <= 4
    assert wait_after(1, "3600") <= LONGEST_WAIT_S + 1
    assert wait_after(1, "Fri, 31 Dec 1999 23:59:59 GMT") <= 0.1
