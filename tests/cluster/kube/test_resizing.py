"""The numbers of workers of a Ray cluster are written, and nothing else of it."""

import json

import pytest
from kube_world import SYSTEM, watched

from shoal.api import WorkerGroup
from shoal.testing import a_fleet

POD = {"spec": {"containers": [{"name": "ray", "image": "serving:1"}]}}
WANTED = {"cpu": (2, 6, 2), "l4": (0, 1, 0)}


def a_group(name, **numbers):
    return {"groupName": name, "rayStartParams": {}, "template": POD, **numbers}


@pytest.fixture
def ray_cluster(server, name):
    """Of the Fleet of that name."""
    cpu = a_group("cpu", minReplicas=1, maxReplicas=3, replicas=1)
    l4 = a_group("l4", minReplicas=0, maxReplicas=4, replicas=2)
    metadata = {"name": name, "namespace": SYSTEM, "labels": {"shoal.dev/fleet": name}}
    spec = {
        "headGroupSpec": {"rayStartParams": {}, "template": POD},
        "workerGroupSpecs": [cpu, l4],
    }
    server.apply(
        {"apiVersion": "ray.io/v1", "kind": "RayCluster", "metadata": metadata, "spec": spec}
    )
    yield name
    server.kubectl("delete", "raycluster", name, "-n", SYSTEM, "--ignore-not-found")


async def known(world, name):
    async def found():
        return await world.cluster.ray_clusters(a_fleet(name))

    (one,) = await world.until(found)
    return one


def wanted(cluster):
    """The groups as they should be; what a test does not say stays as it was read."""
    return [sized(group, *WANTED[group.name]) for group in cluster.groups]


def sized(group, least, most, replicas):
    return WorkerGroup(name=group.name, min=least, max=most, replicas=replicas)


def there(server, name):
    spec = server.get("raycluster", name, "-n", SYSTEM)["spec"]
    fields = ("groupName", "minReplicas", "maxReplicas", "replicas")
    return [tuple(group[field] for field in fields) for group in spec["workerGroupSpecs"]]


def edit(server, name, *steps):
    patch = ("patch", "raycluster", name, "-n", SYSTEM, "--type=json", "-p", json.dumps(steps))
    server.kubectl(*patch)


async def test_a_ray_cluster_gets_the_sizes_that_are_given(world, server, ray_cluster):
    one = await known(world, ray_cluster)
    await world.cluster.resize(one, wanted(one))
    assert there(server, ray_cluster) == [("cpu", 2, 6, 2), ("l4", 0, 1, 0)]
    (now,) = await world.cluster.ray_clusters(a_fleet(ray_cluster))
    assert list(now.groups) == wanted(one)


async def test_a_number_that_is_to_stay_is_the_autoscalers(world, server, ray_cluster):
    one = await known(world, ray_cluster)
    edit(server, ray_cluster, replaced("/spec/workerGroupSpecs/0/replicas", 3))
    groups = [sized(group, 1, 5, group.replicas) for group in one.groups]
    await world.cluster.resize(one, groups)
    assert there(server, ray_cluster) == [("cpu", 1, 5, 3), ("l4", 1, 5, 2)]


async def test_groups_that_are_others_by_now_are_left_alone(world, server, ray_cluster):
    one = await known(world, ray_cluster)
    edit(server, ray_cluster, replaced("/spec/workerGroupSpecs/1/groupName", "h100"))
    before = there(server, ray_cluster)
    await world.cluster.resize(one, wanted(one))
    assert there(server, ray_cluster) == before


async def test_a_ray_cluster_that_is_gone_is_no_trouble(world, server, ray_cluster):
    one = await known(world, ray_cluster)
    server.kubectl("delete", "raycluster", ray_cluster, "-n", SYSTEM)
    await world.cluster.resize(one, wanted(one))
    while await world.cluster.ray_clusters(a_fleet(ray_cluster)):
        world.keys.clear()
        await world.told("Fleet", "", ray_cluster)


async def test_a_ray_cluster_that_changes_concerns_its_fleet(server, ray_cluster):
    async with watched(server.kubeconfig) as world:
        await known(world, ray_cluster)
        world.keys.clear()
        edit(server, ray_cluster, replaced("/spec/workerGroupSpecs/0/replicas", 3))
        await world.told("Fleet", "", ray_cluster)


async def test_what_kuberay_says_of_its_pods_is_known(server, ray_cluster):
    async with watched(server.kubeconfig) as world:

        async def workers():
            """(wanted, ready); the change may be on its way."""
            (one,) = await world.cluster.ray_clusters(a_fleet(ray_cluster))
            return one.status.desired_worker_replicas, one.status.ready_worker_replicas

        async def are_counted():
            return await workers() == (2, 1)

        await known(world, ray_cluster)
        assert await workers() == (0, 0)
        world.keys.clear()
        status = json.dumps({"status": {"desiredWorkerReplicas": 2, "readyWorkerReplicas": 1}})
        words = ("patch", "raycluster", ray_cluster, "-n", SYSTEM, "--subresource=status")
        server.kubectl(*words, "--type=merge", "-p", status)
        await world.told("Fleet", "", ray_cluster)
        await world.until(are_counted)


def replaced(path, value):
    return {"op": "replace", "path": path, "value": value}
