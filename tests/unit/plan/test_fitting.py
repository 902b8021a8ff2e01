"""Which pool holds a Model, and what is said where none does."""

import pytest

from shoal.api.model import Placement
from shoal.plan.fitting import Place, place
from shoal.plan.inventory import asked_of_nodes
from shoal.plan.observed import ObservedFleet
from shoal.plan.offers import offers
from shoal.plan.refusal import Refusal
from shoal.testing import POD_SITE, SITE, a_fleet, a_model

CPU = {"name": "cpu", "resources": {"cpu": "8", "memory": "32Gi"}}
L4 = {"name": "l4", "gpu": {"product": "NVIDIA-L4", "memory": "22Gi", "count": 2}}
A100 = {"name": "a100", "gpu": {"product": "NVIDIA-A100-SXM4-80GB", "memory": "80Gi"}}
MIG = {"name": "mig", "gpu": {"mig": "1g.10gb", "memory": "9Gi"}}
UNKNOWN = {"name": "new", "gpu": {"product": "NVIDIA-H200"}}


def placed(asked, *pools, before=None, site=POD_SITE):
    model = a_model(resources=asked)
    if before is not None:
        status = model.status.model_copy(update={"placement": Placement(pool=before)})
        model = model.model_copy(update={"status": status})
    return place(model, offers(ObservedFleet(a_fleet(pools=pools), site)))


@pytest.mark.parametrize(
    ("asked", "pools", "expected"),
    [
        ({}, [CPU], ("cpu", None, None)),
        ({}, [L4, CPU], ("cpu", None, None)),
        ({}, [L4], ("l4", None, None)),
        ({"cpu": "4"}, [{"name": "small"}, CPU], ("cpu", None, None)),
        ({"memory": "5Gi"}, [{"name": "small"}, CPU], ("cpu", None, None)),
        ({"gpu": {}}, [CPU, L4, A100], ("l4", None, 1)),
        ({"gpu": {"count": 2}}, [A100, L4], ("l4", None, 2)),
        ({"gpu": {"memory": "6Gi"}}, [L4], ("l4", 0.2728, None)),
        ({"gpu": {"memory": "22Gi"}}, [L4], ("l4", 1.0, None)),
        ({"gpu": {"memory": "1"}}, [L4], ("l4", 0.0001, None)),
        ({"gpu": {"memory": "40Gi"}}, [L4, A100], ("a100", 0.5, None)),
        ({"gpu": {"products": ["NVIDIA-A100-SXM4-80GB"]}}, [L4, A100], ("a100", None, 1)),
        ({"gpu": {"mig": "1g.10gb"}}, [L4, MIG], ("mig", None, 1)),
        ({"gpu": {"mig": "1g.10gb", "memory": "3Gi"}}, [L4, MIG], ("mig", 0.3334, None)),
        ({"gpu": {}}, [MIG, L4], ("l4", None, 1)),
        ({"gpu": {}}, [UNKNOWN, L4], ("new", None, 1)),
        ({"gpu": {"memory": "6Gi"}}, [UNKNOWN, L4], ("l4", 0.2728, None)),
    ],
)
def test_the_first_pool_that_fits_holds_the_model(asked, pools, expected):
    where = placed(asked, *pools)
    assert (where.pool, where.share, where.gpus) == expected


SINGLE = {"name": "mig", "gpu": {"product": "NVIDIA-A100-SXM4-40GB-MIG-1g.5gb", "memory": "4Gi"}}


@pytest.mark.parametrize("product", ["NVIDIA-A100-SXM4-40GB", SINGLE["gpu"]["product"]])
def test_a_product_that_is_divided_alike_is_known_by_both_its_names(product):
    asked = {"gpu": {"mig": "1g.5gb", "products": [product]}}
    assert placed(asked, L4, SINGLE).pool == "mig"


@pytest.mark.parametrize(
    ("asked", "pools", "words"),
    [
        (
            {"gpu": {"memory": "40Gi"}},
            [CPU, MIG, L4],
            "Needs 40 GiB on one GPU; the largest is 22 GiB on pool l4. "
            "Lower spec.resources.gpu.memory, or add a pool.",
        ),
        (
            {"gpu": {"memory": "6Gi"}},
            [UNKNOWN],
            "Needs 6 GiB on one GPU; how much those of pool new have is not known, because no node "
            "of it told so yet. Say gpu.memory in the Fleet's pool.",
        ),
        (
            {"gpu": {}},
            [CPU],
            "Needs a GPU; no pool has any. Leave out spec.resources.gpu, or add a pool with gpu.",
        ),
        (
            {"gpu": {"count": 4}},
            [A100, L4],
            "Needs 4 GPUs on one worker; the most is 2 on pool l4. "
            "Lower spec.resources.gpu.count, or add a pool.",
        ),
        (
            {"gpu": {"products": ["NVIDIA-H200", "NVIDIA-B200"]}},
            [CPU, L4, A100],
            "Needs a GPU of product NVIDIA-H200 or NVIDIA-B200; there are NVIDIA-L4 (pool l4), "
            "NVIDIA-A100-SXM4-80GB (pool a100). Change spec.resources.gpu.products, or add a pool.",
        ),
        (
            {"gpu": {"mig": "2g.20gb"}},
            [L4, MIG],
            "Needs a MIG device 2g.20gb; there are undivided ones (pool l4), MIG 1g.10gb (pool "
            "mig). Change spec.resources.gpu.mig, or add a pool.",
        ),
        (
            {"gpu": {}},
            [MIG],
            "Needs an undivided GPU; there are MIG 1g.10gb (pool mig). "
            "Change spec.resources.gpu.mig, or add a pool.",
        ),
        (
            {"cpu": "9"},
            [L4, CPU],
            "Needs 9 processors; the largest worker has 8 for Models, in pool cpu. "
            "Lower spec.resources.cpu, or add a pool.",
        ),
        (
            {"memory": "32Gi"},
            [CPU],
            "Needs 32 GiB of memory; the largest worker has 31 GiB for Models, in pool cpu. "
            "Lower spec.resources.memory, or add a pool.",
        ),
    ],
)
def test_where_no_pool_fits_the_numbers_and_the_way_out_are_told(asked, pools, words):
    assert placed(asked, *pools) == Refusal("NoPoolFits", words)


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({}, "Pool l4."),
        ({"gpu": {}}, "Pool l4, a whole GPU."),
        ({"gpu": {"count": 2}}, "Pool l4, 2 whole GPUs."),
        ({"gpu": {"memory": "5632Mi"}}, "Pool l4, 5.5 GiB of the 22 GiB of one GPU (0.25)."),
    ],
)
def test_a_place_says_which_part_of_a_gpu_a_replica_has(asked, words):
    assert placed(asked, L4).words == words


@pytest.mark.parametrize(
    ("asked", "before", "expected"),
    [
        ({"gpu": {"memory": "6Gi"}}, "a100", "a100"),
        ({"gpu": {"memory": "6Gi"}}, "gone", "l4"),
        ({"gpu": {"count": 2}}, "a100", "l4"),
        ({}, "l4", "l4"),
        ({}, None, "cpu"),
    ],
)
def test_a_model_stays_on_its_pool_while_it_fits_there(asked, before, expected):
    assert placed(asked, L4, A100, CPU, before=before).pool == expected


def test_nodes_have_the_last_word_on_the_memory_of_a_gpu():
    fleet = a_fleet(pools=(L4,))
    asked = asked_of_nodes(fleet.spec.pools[0])
    known = {"name": "l4", "gpu_memory": 20 * 2**30, "asked": asked}
    status = fleet.status.model_validate({"inventory": [known]})
    observed = ObservedFleet(fleet.model_copy(update={"status": status}), POD_SITE)
    model = a_model(resources={"gpu": {"memory": "10Gi"}})
    assert place(model, offers(observed)).share == 0.5


def test_a_laptop_places_what_runs_on_processors_and_nothing_else():
    local = {"name": "local"}
    assert placed({"cpu": "64", "memory": "1Ti"}, local, site=SITE) == Place("local", "Pool local.")
    refused = placed({"gpu": {}}, local, site=SITE)
    assert refused.message == (
        "Needs a GPU; `shoal up` does not manage this machine's. Leave out spec.resources.gpu."
    )
