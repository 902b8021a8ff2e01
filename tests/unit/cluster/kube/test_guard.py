"""Who may not write any more does not: nothing is sent."""

from types import SimpleNamespace

import pytest

from shoal.cluster.kube.api import Api
from shoal.cluster.kube.kinds import MODEL
from shoal.errors import LeadershipLost


class Wire:
    """Where calls would go out, as the official client has it."""

    def __init__(self):
        self.sent = []
        self.configuration = SimpleNamespace(host="https://kubernetes.test")
        self.default_headers = {}
        self.rest_client = self

    async def update_params_for_auth(self, *_):
        pass

    async def request(self, method, url, **_):
        self.sent.append(method)
        raise ConnectionError("nobody is there")


def lost():
    raise LeadershipLost("another leads")


@pytest.mark.parametrize("verb", ["create", "patch", "update", "delete"])
async def test_a_write_that_must_not_be_is_not_sent(verb):
    wire = Wire()
    api = Api(wire, lambda *_: None).guarded(lost)
    with pytest.raises(LeadershipLost):
        await api.call(verb, MODEL, "ops", "m", body={})
    assert wire.sent == []


async def test_the_guard_is_asked_before_every_attempt():
    wire, asked = Wire(), []

    def once():
        asked.append(True)
        if len(asked) > 1:
            lost()

    with pytest.raises(LeadershipLost):
        await Api(wire, lambda *_: None).guarded(once).call("patch", MODEL, "ops", "m", body={})
    assert wire.sent == ["PATCH"]
