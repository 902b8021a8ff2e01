"""Which Models a Fleet serves, where each runs, and what does not move them."""

import pytest

from shoal.api import Node, Reason
from shoal.api.node import GPU_RESOURCE as GPU
from shoal.plan.fleet_status import fleet_status
from shoal.plan.observed import ObservedFleet
from shoal.plan.placement import placed_models, served_models
from shoal.plan.refusal import Refusal
from shoal.testing import NOW, POD_SITE, SITE, a_fleet, a_model


def test_served_models_come_in_a_stable_order():
    models = [a_model("b"), a_model("a"), a_model("c", "aaa")]
    fleet = ObservedFleet(a_fleet(), SITE, tuple(models))
    assert [model.metadata.name for model in served_models(fleet)] == ["c", "a", "b"]


def test_a_model_that_fits_nowhere_is_not_served():
    pools = ({"name": "cpu"}, {"name": "l4", "gpu": {"product": "NVIDIA-L4"}})
    models = (
        a_model("a", resources={"gpu": {"memory": "6Gi"}}),
        a_model("b", resources={"gpu": {}}),
        a_model("c"),
    )
    fleet = ObservedFleet(a_fleet(pools=pools), POD_SITE, models)
    found = [(model.metadata.name, where.pool) for model, where in placed_models(fleet)]
    assert found == [("b", "l4"), ("c", "cpu")]


L4 = {"product": "NVIDIA-L4"}


def a_node(memory="23034", product="NVIDIA-L4"):
    labels = {"nvidia.com/gpu.product": product, "nvidia.com/gpu.memory": memory}
    told = {key: value for key, value in labels.items() if value}
    return Node(name="n", labels=told, allocatable={"cpu": "16", "memory": "64Gi", GPU: "1"})


def on_gpus(world, *nodes, gpu=L4, asked=None):
    """The Model is served by a pool with GPUs."""
    world.site = POD_SITE
    world.edit(resources={"cpu": "2", "gpu": asked or {"memory": "6Gi"}})
    world.surroundings = {"nodes": nodes or (a_node(),)}
    pools_are(world, gpu)
    report(world)
    world.look()
    world.tell()
    return part(world)


def pools_are(world, gpu):
    fleet = a_fleet(pools=({"name": "cpu"}, {"name": "l4", "gpu": gpu}))
    world.fleet = fleet.model_copy(update={"status": world.fleet.status})


def report(world):
    """The Fleet's status is written."""
    status = fleet_status(world.observed_fleet, NOW)
    world.fleet = world.fleet.model_copy(update={"status": status})


def part(world):
    """Which pool holds the Model, and how much of a GPU."""
    return [
        (where.pool, where.share or where.gpus) for _, where in placed_models(world.observed_fleet)
    ]


def test_a_model_that_is_told_keeps_its_place_whatever_nodes_say(world):
    told = on_gpus(world)
    assert told == [("l4", 0.2668)]
    for nodes in ([], [a_node(memory="")], [a_node("20000")], [a_node("4096")]):
        world.surroundings = {"nodes": nodes}
        report(world)
        assert part(world) == told
    words = world.look().conditions[1].message
    assert words.startswith("Pool l4, 0.2668 of one GPU, as it was told before. Needs 6 GiB on one")


def test_it_keeps_its_place_beside_another_product(world):
    told = on_gpus(world, gpu={}, asked={"products": ["NVIDIA-L4"]})
    world.surroundings = {"nodes": [a_node(), a_node("15360", "Tesla-T4")]}
    report(world)
    assert told == part(world) == [("l4", 1)]
    world.edit(replicas=2)
    assert part(world) == []


def test_its_next_generation_has_the_part_that_is_right_then(world):
    on_gpus(world)
    world.surroundings = {"nodes": [a_node("20480")]}
    report(world)
    assert (
        "It would be another now: Pool l4, 6 GiB of the 20 GiB"
        in world.look().conditions[1].message
    )
    world.edit(replicas=2)
    assert part(world) == [("l4", 0.3)]


@pytest.mark.parametrize("gpu", [{**L4, "memory": "12Gi"}, {"product": "NVIDIA-A10"}])
def test_a_pool_that_asks_for_other_gpus_is_placed_on_anew(world, gpu):
    told = on_gpus(world)
    pools_are(world, gpu)
    world.surroundings = {"nodes": [a_node(memory="12288", product=gpu["product"])]}
    assert told != part(world) == [("l4", 0.5)]


def test_a_fleet_whose_ray_service_was_not_told_remembers_what_its_pools_asked_for(world):
    on_gpus(world)
    before = world.fleet.status.inventory
    pools_are(world, {"product": "NVIDIA-A10"})
    refused = Refusal(Reason.CLUSTER_UNREACHABLE, "")
    assert fleet_status(world.observed_fleet, NOW, refused, told=False).inventory == before
    assert fleet_status(world.observed_fleet, NOW, refused).inventory != before


def test_workers_that_became_too_small_hold_nobody(world):
    on_gpus(world)
    pool = {"name": "l4", "gpu": L4, "resources": {"cpu": "1"}}
    fleet = a_fleet(pools=({"name": "cpu"}, pool))
    world.fleet = fleet.model_copy(update={"status": world.fleet.status})
    assert part(world) == []
