"""What changes the Ray cluster, and what must not."""

import json
from dataclasses import replace

from fleet_pods import CPU_POOL, GPU_POOL, a_head, a_pod, a_service, config_of, on_a_cluster

from shoal.api import Node
from shoal.plan.ray_cluster.cluster import ray_cluster_config
from shoal.testing import a_model


def told(observed):
    return json.dumps(ray_cluster_config(observed))


def replicas_of(config):
    return [group["replicas"] for group in config["workerGroupSpecs"]]


def unnumbered(config):
    groups = [{**group, "replicas": None} for group in config["workerGroupSpecs"]]
    return {**config, "workerGroupSpecs": groups}


def test_the_same_fleet_is_the_same_text():
    assert told(on_a_cluster()) == told(on_a_cluster())


def test_a_model_changes_nothing_of_the_ray_cluster():
    assert told(on_a_cluster(models=(a_model(), a_model("other")))) == told(on_a_cluster())


def test_a_node_changes_nothing_of_the_ray_cluster():
    gpus = {"nvidia.com/mig.strategy": "single", "nvidia.com/gpu.product": "NVIDIA-L4"}
    observed = replace(on_a_cluster(), nodes=(Node(name="n", labels=gpus),))
    assert told(observed) == told(on_a_cluster())


def test_a_pool_at_the_end_leaves_all_else_as_it_was():
    one, two = config_of(), config_of(pools=[CPU_POOL, GPU_POOL])
    assert two["workerGroupSpecs"][:1] == one["workerGroupSpecs"]
    assert {**two, "workerGroupSpecs": []} == {**one, "workerGroupSpecs": []}


def test_bounds_change_nothing_but_themselves():
    wider = config_of(pools=[{**CPU_POOL, "workers": {"min": 1, "max": 9}}])
    assert wider["workerGroupSpecs"][0].pop("maxReplicas") == 9
    narrow = config_of()
    del narrow["workerGroupSpecs"][0]["maxReplicas"]
    assert wider == narrow


def test_a_new_fleet_begins_with_the_fewest_workers():
    assert replicas_of(config_of(pools=[CPU_POOL, GPU_POOL])) == [1, 0]


def test_workers_that_come_and_go_write_nothing():
    service = a_service("old", rayClusterConfig=config_of())
    pods = (a_pod("old"), a_pod("old"), a_pod("old"))
    assert told(on_a_cluster(service=service, pods=pods)) == json.dumps(config_of())


def test_what_the_api_server_adds_is_no_change():
    config = config_of()
    config["headGroupSpec"]["enableIngress"] = False
    for group in config["workerGroupSpecs"]:
        group["numOfHosts"] = 1
        for port in group["template"]["spec"]["containers"][0]["ports"]:
            port["protocol"] = "TCP"
    service = a_service("old", rayClusterConfig=config)
    observed = on_a_cluster(service=service, pods=(a_pod("old"), a_pod("old")))
    assert replicas_of(ray_cluster_config(observed)) == [1]


def test_a_ray_cluster_that_grows_by_a_pool_keeps_its_workers():
    service = a_service("old", rayClusterConfig=config_of())
    pods = (a_head("old"), a_pod("old"), a_pod("old"), a_pod("gone"))
    observed = on_a_cluster(service=service, pods=pods, pools=[CPU_POOL, GPU_POOL])
    assert replicas_of(ray_cluster_config(observed)) == [2, 0]


def test_a_new_ray_cluster_begins_as_large_as_the_old_one_is():
    service = a_service("old", rayClusterConfig=config_of())
    pods = (a_pod("old"), a_pod("old"))
    observed = on_a_cluster(service=service, pods=pods, ray={"image": "new:2"})
    assert replicas_of(ray_cluster_config(observed)) == [2]
    assert unnumbered(ray_cluster_config(observed)) == unnumbered(config_of(ray={"image": "new:2"}))


def test_numbers_stay_within_the_bounds():
    service = a_service("old", rayClusterConfig=config_of())
    pool = {**CPU_POOL, "workers": {"min": 2, "max": 2}}
    observed = on_a_cluster(service=service, pools=[pool])
    assert replicas_of(ray_cluster_config(observed)) == [2]
