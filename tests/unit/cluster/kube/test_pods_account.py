"""The account of the operator's own pod."""

import certifi
import pytest
from kubernetes.aio.config import incluster_config

from shoal.cluster.kube import connect


@pytest.fixture
def token(tmp_path, monkeypatch):
    """The file in which the kubelet keeps it."""
    file = tmp_path / "token"
    file.write_text("one")
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "127.0.0.1")
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", "9")
    monkeypatch.setattr(incluster_config, "SERVICE_TOKEN_FILENAME", str(file))
    monkeypatch.setattr(incluster_config, "SERVICE_CERT_FILENAME", certifi.where())
    return file


async def test_a_token_is_used_as_soon_as_it_is_replaced(token):
    async with connect() as api:
        for said in ("one", "two"):
            token.write_text(said)
            headers = {}
            await api.client.update_params_for_auth(headers, [], ["BearerToken"], "/", "GET", None)
            assert headers["authorization"] == f"Bearer {said}"


async def test_without_the_file_the_last_token_is_used(token):
    async with connect() as api:
        token.unlink()
        headers = {}
        await api.client.update_params_for_auth(headers, [], ["BearerToken"], "/", "GET", None)
        assert headers["authorization"].lower() == "bearer one"
