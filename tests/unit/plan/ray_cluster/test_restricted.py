"""Every container of every pod is one that restricted Pod Security admits."""

import pytest
from fleet_pods import CPU_POOL, GPU_POOL, config_of, head_of, worker_of

PODS = [
    head_of(),
    head_of(durability={"rocksDB": {}}),
    worker_of(),
    worker_of(1, pools=[CPU_POOL, GPU_POOL]),
]


@pytest.mark.parametrize("pod", PODS)
def test_a_pod_runs_as_a_plain_user(pod):
    security = pod["securityContext"]
    assert security["runAsNonRoot"]
    assert security["runAsUser"] == security["fsGroup"] == 1000
    assert security["seccompProfile"] == {"type": "RuntimeDefault"}


@pytest.mark.parametrize("pod", PODS)
def test_no_container_may_gain_rights_or_write_to_its_root(pod):
    for container in pod["containers"] + pod.get("initContainers", []):
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "readOnlyRootFilesystem": True,
        }


@pytest.mark.parametrize("pod", PODS)
def test_what_may_be_written_to_is_a_volume(pod):
    volumes = {one["name"] for one in pod["volumes"]}
    for container in pod["containers"] + pod.get("initContainers", []):
        mounts = {one["mountPath"]: one["name"] for one in container["volumeMounts"]}
        assert "/tmp" in mounts
        assert set(mounts.values()) <= volumes


def test_the_autoscalers_mounts_are_volumes_of_the_head():
    volumes = {one["name"] for one in head_of()["volumes"]}
    assert {one["name"] for one in config_of()["autoscalerOptions"]["volumeMounts"]} <= volumes
