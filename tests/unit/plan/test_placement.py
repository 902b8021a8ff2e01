from shoal.plan.observed import ObservedFleet
from shoal.plan.placement import placed_models, served_models
from shoal.testing import POD_SITE, SITE, a_fleet, a_model


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
