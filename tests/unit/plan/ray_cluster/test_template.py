"""A person's own template, laid over ours."""

import pytest
from fleet_pods import CPU_POOL, GPU_POOL, config_of, head_of

from shoal.plan.ray_cluster.template import merged


def template_of(template, pool=CPU_POOL):
    group = config_of(pools=[{**pool, "template": template, "workers": {"min": 1, "max": 1}}])
    return group["workerGroupSpecs"][0]["template"]


def pod_of(spec, pool=CPU_POOL):
    return template_of({"spec": spec}, pool)["spec"]


def ray_container_of(**said):
    return pod_of({"containers": [{"name": "ray-worker", **said}]})["containers"][0]


@pytest.mark.parametrize(
    ("ours", "theirs", "result"),
    [
        ({"a": 1}, {"b": 2}, {"a": 1, "b": 2}),
        ({"a": 1}, {"a": 2}, {"a": 2}),
        ({"a": 1}, {"a": None}, {"a": 1}),
        ({"a": {"b": 1, "c": 2}}, {"a": {"c": 3}}, {"a": {"b": 1, "c": 3}}),
        ({"args": ["a"]}, {"args": ["b"]}, {"args": ["b"]}),
        (
            {"env": [{"name": "A"}]},
            {"env": [{"name": "B"}]},
            {"env": [{"name": "A"}, {"name": "B"}]},
        ),
        (
            {"env": [{"name": "A", "value": "1"}, {"name": "B", "value": "2"}]},
            {"env": [{"name": "A", "value": "3"}]},
            {"env": [{"name": "A", "value": "3"}, {"name": "B", "value": "2"}]},
        ),
        (
            {"env": [{"name": "A", "value": "1"}]},
            {"env": [{"name": "A", "valueFrom": {"fieldRef": {}}}]},
            {"env": [{"name": "A", "valueFrom": {"fieldRef": {}}}]},
        ),
        (
            {"volumes": [{"name": "v", "emptyDir": {"sizeLimit": "1Gi"}}]},
            {"volumes": [{"name": "v", "emptyDir": {"medium": "Memory"}}]},
            {"volumes": [{"name": "v", "emptyDir": {"sizeLimit": "1Gi", "medium": "Memory"}}]},
        ),
        (
            {"volumes": [{"name": "v", "emptyDir": {}}]},
            {"volumes": [{"name": "v", "hostPath": {"path": "/v"}}]},
            {"volumes": [{"name": "v", "hostPath": {"path": "/v"}}]},
        ),
        (
            {"volumeMounts": [{"name": "v", "mountPath": "/v"}]},
            {"volumeMounts": [{"name": "w", "mountPath": "/v"}]},
            {"volumeMounts": [{"name": "w", "mountPath": "/v"}]},
        ),
        (
            {"ports": [{"name": "serve", "containerPort": 8000}]},
            {"ports": [{"containerPort": 8000, "protocol": "TCP", "hostPort": 80}]},
            {
                "ports": [
                    {"name": "serve", "containerPort": 8000, "protocol": "TCP", "hostPort": 80}
                ]
            },
        ),
        (
            {"tolerations": [{"key": "a"}]},
            {"tolerations": [{"key": "b"}, {"key": "a"}]},
            {"tolerations": [{"key": "a"}, {"key": "b"}]},
        ),
        (
            {"topologySpreadConstraints": [{"topologyKey": "h", "whenUnsatisfiable": "S"}]},
            {"topologySpreadConstraints": [{"topologyKey": "z", "whenUnsatisfiable": "S"}]},
            {
                "topologySpreadConstraints": [
                    {"topologyKey": "h", "whenUnsatisfiable": "S"},
                    {"topologyKey": "z", "whenUnsatisfiable": "S"},
                ]
            },
        ),
        (
            {"readinessProbe": {"httpGet": {"port": 1}, "periodSeconds": 2}},
            {"readinessProbe": {"exec": {"command": ["true"]}}},
            {"readinessProbe": {"exec": {"command": ["true"]}, "periodSeconds": 2}},
        ),
        (
            {"readinessProbe": {"httpGet": {"port": 1}, "periodSeconds": 2}},
            {"readinessProbe": {"periodSeconds": 9}},
            {"readinessProbe": {"httpGet": {"port": 1}, "periodSeconds": 9}},
        ),
        ({}, {"a": {"b": None, "c": [{"d": None}]}}, {"a": {"c": [{}]}}),
        ({"a": {"b": 1}}, {"a": "word"}, {"a": "word"}),
        ({"env": [{"name": "A"}]}, {"env": ["word"]}, {"env": [{"name": "A"}, "word"]}),
    ],
)
def test_templates_merge_as_server_side_apply_merges(ours, theirs, result):
    assert merged(ours, theirs) == result


def test_a_sidecar_comes_after_ray():
    names = [one["name"] for one in pod_of({"containers": [{"name": "logs"}]})["containers"]]
    assert names == ["ray-worker", "logs"]


def test_the_ray_container_is_known_by_its_name():
    container = ray_container_of(env=[{"name": "HTTPS_PROXY", "value": "proxy.test"}])
    assert container["env"][-1] == {"name": "HTTPS_PROXY", "value": "proxy.test"}
    assert container["image"]


def test_a_gpu_pool_keeps_its_toleration_beside_a_persons_own():
    pod = pod_of({"tolerations": [{"key": "mine"}]}, GPU_POOL)
    assert [one["key"] for one in pod["tolerations"]] == ["nvidia.com/gpu", "mine"]


def test_what_is_said_of_scheduling_is_heard():
    said = {"priorityClassName": "high", "nodeSelector": {"zone": "a"}, "schedulerName": "other"}
    pod = pod_of(said, GPU_POOL)
    assert pod["priorityClassName"] == "high"
    assert pod["nodeSelector"] == {"nvidia.com/gpu.product": "NVIDIA-L4", "zone": "a"}
    assert pod["schedulerName"] == "other"


def test_labels_that_others_select_by_stay():
    said = {
        "team": "ops",
        "shoal.dev/fleet": "other",
        "ray.io/serve": "false",
        "app.kubernetes.io/name": "mine",
    }
    metadata = template_of({"metadata": {"labels": said, "annotations": {"a": "b"}}})["metadata"]
    assert metadata["labels"] == {"shoal.dev/fleet": "default", "team": "ops"}
    assert metadata["annotations"] == {"a": "b"}


def test_kuberay_names_the_pods():
    said = {"name": "mine", "namespace": "elsewhere"}
    assert template_of({"metadata": said})["metadata"].keys() == {"labels"}


def test_kuberays_annotations_are_its_own():
    said = {"metadata": {"annotations": {"ray.io/overwrite-container-cmd": "true"}}}
    assert template_of(said)["metadata"]["annotations"] == {}


def test_kuberay_writes_the_command_and_chooses_the_restart_policy():
    assert not {"command", "args"} & ray_container_of(command=["sh"], args=["-c"]).keys()
    assert "restartPolicy" not in pod_of({"restartPolicy": "Always"})


def test_limits_are_the_pools_and_requests_may_be_less():
    said = {"limits": {"cpu": "64", "rdma/hca": "1"}, "requests": {"cpu": "100m"}}
    resources = ray_container_of(resources=said)["resources"]
    assert resources["limits"] == {"cpu": "2", "memory": "4Gi", "rdma/hca": "1"}
    assert resources["requests"] == {"cpu": "100m", "memory": "4Gi"}


def test_a_persons_template_of_the_head_is_merged_too():
    spec = {"nodeSelector": {"pool": "system"}, "containers": [{"name": "ray-head", "env": []}]}
    head = head_of(head={"template": {"spec": spec}})
    assert head["nodeSelector"] == {"pool": "system"}
    assert [one["name"] for one in head["containers"]] == ["ray-head"]


@pytest.mark.parametrize(
    "template",
    [
        {"spec": "word"},
        {"metadata": "word"},
        {"metadata": {"labels": ["word"]}},
        {"spec": {"containers": "word"}},
        {"spec": {"containers": ["word"]}},
        {"spec": {"containers": [{"name": "ray-worker", "resources": "word"}]}},
        {"spec": {"containers": [{"name": "ray-worker", "resources": {"limits": 3}}]}},
    ],
)
def test_what_is_no_template_is_left_to_the_api_server_to_refuse(template):
    assert "word" in str(template_of(template)) or "3" in str(template_of(template))
