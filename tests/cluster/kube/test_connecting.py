"""Finding the API server: kubeconfigs as kubectl takes them."""

import json
import stat
from pathlib import Path

import pytest
import yaml
from api_stand_in import kubeconfig_of

from shoal.cluster.kube import connect
from shoal.cluster.kube.kinds import NAMESPACE
from shoal.errors import AccessDenied, WorldUnavailable


async def reaches(kubeconfig: Path, context: str | None = None) -> bool:
    async with connect(kubeconfig, context) as api:
        return bool((await api.call("list", NAMESPACE))["items"])


async def test_a_certificate_opens(server):
    assert await reaches(server.kubeconfig)


async def test_a_context_is_chosen_by_name(server, tmp_path):
    config = yaml.safe_load(server.kubeconfig.read_text())
    (current,) = config["contexts"]
    config["contexts"] = [{"name": "other", "context": current["context"]}]
    config["current-context"] = "gone"
    (tmp_path / "config").write_text(yaml.safe_dump(config))
    assert await reaches(tmp_path / "config", "other")
    with pytest.raises(WorldUnavailable, match="gone"):
        await reaches(tmp_path / "config")


async def test_a_plugin_gives_a_token(server, tmp_path):
    token = server.kubectl("create", "token", "default", "-n", "default").strip()
    credential = {"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential"}
    plugin = tmp_path / "plugin"
    said = json.dumps({**credential, "status": {"token": token}})
    plugin.write_text(f"#!/bin/sh\necho '{said}'\n")
    plugin.chmod(stat.S_IRWXU)
    config = yaml.safe_load(server.kubeconfig.read_text())
    call = {"apiVersion": credential["apiVersion"], "command": str(plugin)}
    config["users"][0]["user"] = {"exec": {**call, "interactiveMode": "Never"}}
    (tmp_path / "config").write_text(yaml.safe_dump(config))
    with pytest.raises(AccessDenied, match="system:serviceaccount:default:default"):
        await reaches(tmp_path / "config")


NO_CERTIFICATE = {"server": "https://127.0.0.1:9", "certificate-authority-data": "bm9uc2Vuc2U="}


@pytest.mark.parametrize(
    "text", ["", "nonsense", "{}", "{[", json.dumps(kubeconfig_of(NO_CERTIFICATE, {})), None]
)
async def test_a_kubeconfig_that_cannot_be_used_is_named(tmp_path, text):
    path = tmp_path / "config"
    if text is not None:
        path.write_text(text)
    with pytest.raises(WorldUnavailable, match=f"{path} does not say how to reach Kubernetes"):
        await reaches(path)


async def test_a_server_that_is_not_there_is_said(tmp_path, monkeypatch):
    monkeypatch.setattr("shoal.cluster.kube.answers.FIRST_WAIT_S", 0.001)
    cluster = {"name": "it", "cluster": {"server": "http://127.0.0.1:9"}}
    context = {"name": "it", "context": {"cluster": "it", "user": "it"}}
    users = [{"name": "it", "user": {}}]
    config = {"clusters": [cluster], "contexts": [context], "users": users}
    path = tmp_path / "config"
    path.write_text(json.dumps({**config, "current-context": "it"}))
    with pytest.raises(WorldUnavailable, match="did not answer to list namespaces"):
        await reaches(path)
