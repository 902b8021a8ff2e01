"""Kubeconfigs as the commands take them: who one is, and what is said of a senseless one."""

import base64
import json
import stat

import pytest
from api_stand_in import api_stand_in, kubeconfig_of

from shoal.cluster.remote import connect
from shoal.errors import WorldUnavailable

CREDENTIAL = {"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential"}


@pytest.fixture
def server():
    with api_stand_in() as found:
        found.answers["/version"] = {}
        yield found


def authorization(server, kubeconfig):
    connection = connect(kubeconfig, None)
    connection.ask("GET", "/version")
    connection.client.close()
    return server.asked[-1].headers.get("authorization")


def test_a_token_is_sent(server, tmp_path):
    kubeconfig = server.kubeconfig(tmp_path, {"token": "sesame"})
    assert authorization(server, kubeconfig) == "Bearer sesame"


def test_a_plugins_token_is_sent(server, tmp_path):
    plugin = tmp_path / "plugin"
    said = json.dumps({**CREDENTIAL, "status": {"token": "sesame"}})
    plugin.write_text(f"#!/bin/sh\necho '{said}'\n")
    plugin.chmod(stat.S_IRWXU)
    call = {"apiVersion": CREDENTIAL["apiVersion"], "command": str(plugin)}
    kubeconfig = server.kubeconfig(tmp_path, {"exec": {**call, "interactiveMode": "Never"}})
    assert authorization(server, kubeconfig) == "Bearer sesame"


def test_who_has_no_token_sends_none(server, tmp_path):
    assert authorization(server, server.kubeconfig(tmp_path)) is None


NO_CERTIFICATE = base64.b64encode(b"nonsense").decode()
BAD_CERTIFICATE = {"server": "https://127.0.0.1:9", "certificate-authority-data": NO_CERTIFICATE}


@pytest.mark.parametrize(
    "text",
    ["", "nonsense", "{}", "{[", "- a", json.dumps(kubeconfig_of(BAD_CERTIFICATE, {}))],
    ids=["empty", "text", "no-context", "no-yaml", "list", "no-certificate"],
)
def test_a_kubeconfig_that_cannot_be_used_is_named(tmp_path, text):
    path = tmp_path / "config"
    path.write_text(text)
    with pytest.raises(WorldUnavailable, match=f"{path} does not say how to reach Kubernetes"):
        connect(path, None)


def test_a_context_is_chosen_where_none_is_current(server, tmp_path, monkeypatch):
    kubeconfig = server.kubeconfig(tmp_path, namespace="apps")
    config = json.loads(kubeconfig.read_text())
    kubeconfig.write_text(json.dumps({**config, "current-context": ""}))
    monkeypatch.setenv("KUBECONFIG", str(kubeconfig))
    connection = connect(None, "it")
    assert connection.namespace == "apps"
    connection.client.close()
    for context in (None, "other"):
        with pytest.raises(WorldUnavailable, match=f"{kubeconfig} does not say"):
            connect(None, context)
