"""How many doors each pool has, and what Ray Serve is told of them."""

import json
from dataclasses import replace
from datetime import timedelta

import pytest
from fleet_pods import CPU_POOL, GPU_POOL, a_head, a_service, on_a_cluster

from shoal.api import Pod
from shoal.api.rayservice import ApplicationStatus
from shoal.plan.doors import doors
from shoal.plan.serve_config import serve_config
from shoal.testing import NOW, SITE, a_model, a_ray_service, an_application

CPU = {**CPU_POOL, "workers": {"min": 2, "max": 5}}
L4 = {**GPU_POOL, "workers": {"min": 1, "max": 2}}
UNSCHEDULABLE = "Unschedulable: 0/3 nodes are available"


def workers(group, *problems, cluster="new"):
    """One for each problem; an empty one is a worker that has none, but is not ready yet."""
    named = enumerate(problems)
    return tuple(
        Pod(name=f"{cluster}-{group}-{at}", ray_cluster=cluster, group=group, problem=problem)
        for at, problem in named
    )


def starting(*pods, pools=(CPU, L4), active=""):
    service = a_service(active, "new")
    return doors(on_a_cluster(pools=list(pools), service=service, pods=pods))


def test_every_worker_that_a_pool_always_has_gets_one():
    pools = [CPU, L4, {**GPU_POOL, "name": "h100"}]
    assert doors(on_a_cluster(pools=pools)) == {"cpu": 2, "l4": 1}


def test_a_laptop_has_none():
    assert doors(replace(on_a_cluster(), site=SITE)) == {}


@pytest.mark.parametrize("pods", [(), workers("cpu", UNSCHEDULABLE, cluster="now")])
def test_a_fleet_that_runs_asks_for_the_same_whatever_becomes_of_pods(pods):
    service = a_service("now", before="now")
    assert doors(on_a_cluster(pools=[CPU, L4], service=service, pods=pods)) == {"cpu": 2, "l4": 1}


def test_a_ray_cluster_that_starts_waits_for_every_worker_that_is_coming():
    assert starting(a_head("new")) == {"cpu": 2, "l4": 1}
    assert starting(*workers("cpu", "", ""), *workers("l4", "")) == {"cpu": 2, "l4": 1}


def test_a_ray_cluster_that_starts_does_not_wait_for_a_worker_that_cannot_be_had():
    stuck = workers("cpu", "", UNSCHEDULABLE)
    assert starting(*stuck, *workers("l4", "")) == {"cpu": 1, "l4": 1}
    assert starting(*workers("cpu", "", ""), *workers("l4", UNSCHEDULABLE)) == {"cpu": 2}


def test_workers_beyond_the_fewest_make_up_for_one_that_cannot_be_had():
    assert starting(*workers("cpu", "", "", UNSCHEDULABLE), pools=(CPU,)) == {"cpu": 2}


def test_a_ray_cluster_that_starts_waits_for_some_worker():
    stuck = (*workers("cpu", UNSCHEDULABLE, UNSCHEDULABLE), *workers("l4", UNSCHEDULABLE))
    assert starting(*stuck) == {"cpu": 1}


def test_the_workers_of_the_old_ray_cluster_do_not_count():
    old = workers("cpu", "", "", cluster="old")
    assert starting(*old, *workers("cpu", ""), pools=(CPU,), active="old") == {"cpu": 1}


def test_a_door_is_one_per_worker_takes_no_processor_and_has_no_route():
    told = serve_config(on_a_cluster(pools=[CPU, L4]), NOW)["applications"]
    ledger, door, other = told
    assert [ledger["name"], door["name"], other["name"]] == [
        "shoal-ledger",
        "shoal-door-cpu",
        "shoal-door-l4",
    ]
    assert door["route_prefix"] is None
    (deployment,) = door["deployments"]
    assert (deployment["num_replicas"], deployment["max_replicas_per_node"]) == (2, 1)
    assert deployment["ray_actor_options"] == {
        "num_cpus": 0,
        "resources": {"shoal_pool_cpu": 0.001},
    }


FAILED = {"shoal-door-cpu": an_application("DEPLOY_FAILED")}


def tried(service, seconds=0.0):
    """How often doors were tried, and what Ray Serve is told then."""
    now = NOW + timedelta(seconds=seconds)
    _, door = serve_config(on_a_cluster(service=service), now)["applications"]
    return door["args"]["attempt"], json.dumps({"applications": [door]})


def test_doors_that_ray_serve_gave_up_are_tried_again():
    attempt, text = tried(None)
    again, anew = tried(a_ray_service(text, FAILED))
    assert (attempt, again) == (0, 1)
    assert tried(a_ray_service(anew))[0] == 1
    unseen = a_ray_service(anew, FAILED)
    metadata = unseen.metadata.model_copy(update={"generation": 2})
    assert tried(unseen.model_copy(update={"metadata": metadata}), 1e6)[0] == 1


def test_doors_that_fail_again_are_tried_less_and_less_often():
    _, text = tried(a_ray_service(tried(None)[1], FAILED))
    assert tried(a_ray_service(text, FAILED), 19)[0] == 1
    attempt, text = tried(a_ray_service(text, FAILED), 20)
    assert attempt == 2
    assert tried(a_ray_service(text, FAILED), 20 + 39) == (2, text)
    assert tried(a_ray_service(text, FAILED), 20 + 40)[0] == 3


def test_doors_wait_while_applications_are_being_built():
    building = {**FAILED, "ops.other": ApplicationStatus(status="DEPLOYING")}
    assert tried(a_ray_service(tried(None)[1], building))[0] == 0


def test_doors_do_not_move_with_the_order_of_pools():
    one, other = (on_a_cluster(pools=pools) for pools in ([CPU, L4], [L4, CPU]))
    assert serve_config(one, NOW) == serve_config(other, NOW)


def test_no_model_can_be_named_like_a_door():
    observed = on_a_cluster(models=(a_model("cpu", "shoal-door"),))
    names = [one["name"] for one in serve_config(observed, NOW)["applications"]]
    assert names == ["shoal-ledger", "shoal-door-cpu", "shoal-door.cpu"]
