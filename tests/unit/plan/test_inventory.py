"""Which nodes could hold a pool's workers, and what GPUs they have."""

import pytest

from shoal.api import Node
from shoal.plan.inventory import inventory, mig_of
from shoal.testing import a_fleet

PRODUCT, MEMORY = "nvidia.com/gpu.product", "nvidia.com/gpu.memory"
A100 = "NVIDIA-A100-SXM4-40GB"


def a_node(name="n-1", labels=(), unschedulable=False, **allocatable):
    offered = {"cpu": "16", "memory": "64Gi", **allocatable}
    return Node(name=name, labels=dict(labels), allocatable=offered, unschedulable=unschedulable)


def an_l4(name="n-1", memory="23034", gpus="1", **said):
    labels = {PRODUCT: "NVIDIA-L4", MEMORY: memory, **said.pop("labels", {})}
    return a_node(name, labels, **{"nvidia.com/gpu": gpus}, **said)


def an_a100_in_parts():
    """By MIG's mixed strategy."""
    labels = {
        PRODUCT: A100,
        MEMORY: "40960",
        "nvidia.com/mig.strategy": "mixed",
        "nvidia.com/mig-1g.5gb.memory": "4864",
    }
    return a_node("n-1", labels, **{"nvidia.com/mig-1g.5gb": "7", "nvidia.com/gpu": "0"})


def looked(pool, *nodes, known=()):
    fleet = a_fleet(pools=({"name": "p", **pool},))
    status = fleet.status.model_copy(update={"inventory": tuple(known)})
    return inventory(fleet.model_copy(update={"status": status}), nodes)


def found(pool, *nodes, known=()):
    (one,) = looked(pool, *nodes, known=known)
    return one.nodes, one.gpus, one.gpu_product, one.gpu_memory


L4 = {"gpu": {"product": "NVIDIA-L4"}}
LARGE = {"resources": {"cpu": "17", "memory": "1Gi"}}
NOTHING = (0, 0, None, None)


@pytest.mark.parametrize(
    ("pool", "nodes", "expected"),
    [
        ({}, [a_node(), a_node("n-2")], (2, 0, None, None)),
        (LARGE, [a_node()], NOTHING),
        ({}, [a_node(unschedulable=True)], NOTHING),
        ({"template": {"spec": {"nodeSelector": {"zone": "a"}}}}, [a_node()], NOTHING),
        (
            {"template": {"spec": {"nodeSelector": {"zone": "a"}}}},
            [a_node(labels={"zone": "a"})],
            (1, 0, None, None),
        ),
        ({"template": {"spec": None}}, [a_node()], (1, 0, None, None)),
        (L4, [a_node(), an_l4(gpus="4")], (1, 4, "NVIDIA-L4", 23034 * 2**20)),
        (L4, [an_l4(labels={PRODUCT: "Tesla-T4"})], NOTHING),
        ({"gpu": {"count": 2}}, [an_l4()], NOTHING),
        (L4, [an_l4("n-1"), an_l4("n-2", "23000")], (2, 2, "NVIDIA-L4", 23000 * 2**20)),
        (
            {"gpu": {}},
            [an_l4(), an_l4("n-2", "15360", labels={PRODUCT: "Tesla-T4"})],
            (2, 2, None, 15360 * 2**20),
        ),
        (L4, [an_l4(memory="")], (1, 1, "NVIDIA-L4", None)),
        (
            {"gpu": {"mig": "1g.5gb"}},
            [an_a100_in_parts(), an_l4("n-2")],
            (1, 7, f"{A100}-MIG-1g.5gb", 4864 * 2**20),
        ),
        ({"gpu": {"product": A100}}, [an_a100_in_parts()], NOTHING),
        (
            {"gpu": {"product": f"{A100}-MIG-1g.5gb", "mig": "1g.5gb"}},
            [an_l4("n-1", "4864", "7", labels={PRODUCT: f"{A100}-MIG-1g.5gb"})],
            (1, 7, f"{A100}-MIG-1g.5gb", 4864 * 2**20),
        ),
        (
            {"gpu": {"product": f"{A100}-MIG-1g.5gb"}},
            [an_l4("n-1", "4864", "7", labels={PRODUCT: f"{A100}-MIG-1g.5gb"})],
            (1, 7, f"{A100}-MIG-1g.5gb", 4864 * 2**20),
        ),
    ],
)
def test_a_pool_is_made_of_the_nodes_that_could_hold_its_workers(pool, nodes, expected):
    assert found(pool, *nodes) == expected


OTHERS = (
    {"gpu": {"product": "NVIDIA-L40S"}},
    {"gpu": {"product": "NVIDIA-L4", "memory": "20Gi"}},
    {"gpu": {"product": "NVIDIA-L4", "mig": "1g.5gb"}},
    {**L4, "template": {"spec": {"nodeSelector": {"zone": "a"}}}},
    {},
)


def test_what_gpus_there_were_is_kept_while_the_nodes_are_away():
    known = looked(L4, an_l4())
    assert found(L4, a_node(), known=known) == (0, 0, "NVIDIA-L4", 23034 * 2**20)


@pytest.mark.parametrize("pool", OTHERS)
def test_it_is_forgotten_once_the_pool_asks_for_others(pool):
    assert found(pool, known=looked(L4, an_l4())) == NOTHING


@pytest.mark.parametrize("missing", [{MEMORY: ""}, {PRODUCT: "", MEMORY: ""}])
def test_a_label_that_is_missing_for_a_while_changes_nothing(missing):
    node = an_l4()
    labels = {key: value for key, value in node.labels.items() if key not in missing}
    without = node.model_copy(update={"labels": labels})
    pool = {"gpu": {}}
    assert found(pool, without, known=looked(pool, node)) == (1, 1, "NVIDIA-L4", 23034 * 2**20)


def test_a_card_that_is_cordoned_counts_for_the_least_memory():
    small = an_l4("n-2", "20000", unschedulable=True)
    assert found(L4, an_l4(), small) == (1, 1, "NVIDIA-L4", 20000 * 2**20)


def test_the_least_memory_that_was_ever_told_stays():
    known = looked(L4, an_l4(), an_l4("n-2", "20000"))
    assert found(L4, an_l4(), known=known) == (1, 1, "NVIDIA-L4", 20000 * 2**20)


def test_devices_of_several_products_keep_their_memory_while_the_nodes_are_away():
    pool, other = {"gpu": {"mig": "1g.5gb"}}, an_a100_in_parts()
    other = other.model_copy(update={"name": "n-2", "labels": {**other.labels, PRODUCT: "A30"}})
    known = looked(pool, an_a100_in_parts(), other)
    assert found(pool, known=known) == (0, 0, None, 4864 * 2**20)


@pytest.mark.parametrize("template", [{"spec": "x"}, {"spec": {"nodeSelector": ["zone"]}}])
def test_what_is_no_pod_template_asks_nothing_of_nodes(template):
    assert found({"template": template}, a_node()) == (1, 0, None, None)


def test_a_profile_with_media_extensions_is_named_as_labels_allow():
    labels = {PRODUCT: "NVIDIA-H100-80GB-HBM3", "nvidia.com/mig-1g.10gb.me.memory": "9856"}
    node = a_node("n-1", labels, **{"nvidia.com/mig-1g.10gb.me": "1"})
    product = "NVIDIA-H100-80GB-HBM3-MIG-1g.10gb.me"
    assert found({"gpu": {"mig": "1g.10gb+me"}}, node) == (1, 1, product, 9856 * 2**20)
    assert mig_of(product) == "1g.10gb+me"
