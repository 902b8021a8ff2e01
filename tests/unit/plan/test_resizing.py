"""Which Ray clusters have other numbers of workers than their Fleet says, and what they get."""

from dataclasses import replace

from fleet_pods import CPU_POOL, GPU_POOL, a_service, on_a_cluster

from shoal.api import RayCluster, WorkerGroup
from shoal.plan.resizing import resizings

POOL = {**CPU_POOL, "workers": {"min": 2, "max": 4}}


def a_group(least, most, replicas, name="cpu"):
    return WorkerGroup(name=name, min=least, max=most, replicas=replicas)


def a_cluster(*groups, name="now"):
    return RayCluster(namespace="serving", name=name, groups=groups)


def resized(*clusters, active="now", pending="", pools=(POOL,)):
    """The groups of each cluster that is resized, by its name."""
    observed = on_a_cluster(pools=list(pools), service=a_service(active, pending))
    return {
        cluster.name: list(groups)
        for cluster, groups in resizings(replace(observed, ray_clusters=clusters))
    }


def test_what_is_as_the_fleet_says_is_left_alone():
    assert resized(a_cluster(a_group(2, 4, 3))) == {}


def test_a_ray_cluster_gets_the_bounds_of_the_pools():
    assert resized(a_cluster(a_group(1, 3, 3))) == {"now": [a_group(2, 4, 3)]}


def test_the_autoscalers_number_is_only_moved_into_the_bounds():
    assert resized(a_cluster(a_group(0, 1, 0))) == {"now": [a_group(2, 4, 2)]}
    assert resized(a_cluster(a_group(2, 9, 7))) == {"now": [a_group(2, 4, 4)]}


def test_an_upgrade_resizes_both_ray_clusters():
    both = (a_cluster(a_group(1, 3, 1), name="old"), a_cluster(a_group(1, 3, 2), name="new"))
    assert resized(*both, active="old", pending="new").keys() == {"old", "new"}


def test_a_ray_cluster_that_waits_for_its_end_is_left_alone():
    assert resized(a_cluster(a_group(1, 3, 1), name="old")) == {}


def test_a_pool_that_is_no_more_keeps_its_workers():
    groups = (a_group(1, 3, 2, name="gone"), a_group(1, 2, 1, name="l4"))
    l4 = {**GPU_POOL, "workers": {"min": 1, "max": 8}}
    assert resized(a_cluster(*groups), pools=(l4,)) == {
        "now": [groups[0], a_group(1, 8, 1, name="l4")]
    }


def test_a_fleet_without_a_ray_service_resizes_nothing():
    observed = on_a_cluster(pools=[POOL])
    assert not [*resizings(replace(observed, ray_clusters=[a_cluster(a_group(1, 1, 1))]))]
