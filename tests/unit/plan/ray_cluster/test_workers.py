"""The workers of a pool."""

import json

import pytest
from fleet_pods import CPU_POOL, GPU_POOL, SITE, config_of, environment_of, worker_of

from shoal.api import Pool
from shoal.api.serve_environment import FAST_MODE
from shoal.plan.ray_cluster.offers import offered_memory
from shoal.plan.serve_config import DRAIN_S

GIB = 2**30


def group_of(pool, **spec):
    return config_of(pools=[CPU_POOL, pool], **spec)["workerGroupSpecs"][1]


def pod_of(pool, **spec):
    return group_of(pool, **spec)["template"]["spec"]


def limits_of(pool):
    return pod_of(pool)["containers"][0]["resources"]["limits"]


def with_gpu(**gpu):
    return {"name": "gpus", "gpu": gpu}


def test_a_pool_is_a_worker_group_within_its_bounds():
    group = group_of(GPU_POOL)
    assert group["groupName"] == "l4"
    assert (group["minReplicas"], group["maxReplicas"]) == (0, 2)


def test_every_worker_is_in_the_fast_mode():
    assert FAST_MODE.items() <= environment_of(worker_of()).items()


def test_a_worker_waits_ten_minutes_for_its_head():
    assert environment_of(worker_of())["RAY_gcs_rpc_server_reconnect_timeout_s"] == "600"


def test_a_worker_that_goes_outlasts_the_longest_request():
    worker = worker_of()
    assert worker["terminationGracePeriodSeconds"] > DRAIN_S
    assert int(environment_of(worker)["RAY_SERVE_HAPROXY_HARD_STOP_AFTER_S"]) > DRAIN_S
    assert environment_of(worker)["RAY_SERVE_DIRECT_INGRESS_MIN_DRAINING_PERIOD_S"] == "5"


def test_a_worker_that_goes_sends_its_clients_to_others_first():
    (container,) = worker_of()["containers"]
    assert container["lifecycle"]["preStop"]["exec"]["command"] == ["shoal-leave", "10"]


def test_neither_probe_of_a_worker_asks_the_head():
    container = worker_of()["containers"][0]
    assert container["readinessProbe"] == {
        "httpGet": {"path": "/-/healthz", "port": 8000},
        "periodSeconds": 2,
        "timeoutSeconds": 2,
        "failureThreshold": 2,
    }
    assert container["livenessProbe"]["tcpSocket"] == {"port": 52365}


def test_a_worker_offers_its_processors_and_a_resource_that_only_its_pool_has():
    params = group_of({"name": "big-one", "resources": {"cpu": "7500m"}})["rayStartParams"]
    assert params["num-cpus"] == "7"
    quoted = params["resources"]
    assert quoted[0] == quoted[-1] == "'"
    assert json.loads(quoted[1:-1]) == {"shoal_pool_big-one": 1_000_000}


@pytest.mark.parametrize(("limit", "offered"), [("2Gi", 1.5), ("4Gi", 3), ("32Gi", 31)])
def test_ray_itself_keeps_a_quarter_of_the_memory_at_most_a_gibibyte(limit, offered):
    pool = Pool.model_validate({"name": "cpu", "resources": {"memory": limit}})
    assert offered_memory(pool) == offered * GIB


def test_half_a_processor_counts_as_one():
    assert group_of({"name": "s", "resources": {"cpu": "500m"}})["rayStartParams"]["num-cpus"] == (
        "1"
    )


def test_a_pod_asks_for_what_its_pool_says_and_its_processors_have_no_limit():
    pool = {"name": "s", "resources": {"cpu": "500m", "memory": "1Gi"}}
    requests = pod_of(pool)["containers"][0]["resources"]["requests"]
    assert requests == {"cpu": "500m", "memory": "1Gi"}
    assert limits_of(pool) == {"memory": "1Gi"}


def test_gpus_are_asked_for_by_product_and_count():
    pool = with_gpu(product="NVIDIA-L4", count=2)
    assert limits_of(pool)["nvidia.com/gpu"] == "2"
    assert pod_of(pool)["nodeSelector"] == {"nvidia.com/gpu.product": "NVIDIA-L4"}
    assert pod_of(pool)["tolerations"][0]["key"] == "nvidia.com/gpu"
    assert group_of(pool)["rayStartParams"]["num-gpus"] == "2"


def test_a_pool_of_any_gpu_names_no_product():
    assert "nodeSelector" not in pod_of(with_gpu())


@pytest.mark.parametrize(
    ("gpu", "resource"),
    [
        ({"mig": "1g.5gb"}, "nvidia.com/mig-1g.5gb"),
        ({"mig": "1g.10gb+me"}, "nvidia.com/mig-1g.10gb.me"),
        ({"mig": "1g.5gb", "product": "NVIDIA-A100-SXM4-40GB"}, "nvidia.com/mig-1g.5gb"),
        ({"mig": "1g.5gb", "product": "NVIDIA-A100-SXM4-40GB-MIG-1g.5gb"}, "nvidia.com/gpu"),
    ],
)
def test_the_product_tells_which_mig_strategy_is_meant(gpu, resource):
    assert limits_of(with_gpu(**gpu))[resource] == "1"
    assert len(limits_of(with_gpu(**gpu))) == 2


def test_a_pool_without_gpus_offers_none():
    assert group_of({"name": "plain"})["rayStartParams"]["num-gpus"] == "0"


@pytest.mark.parametrize(
    ("cache", "source"),
    [
        ({"emptyDir": {"sizeLimit": "5Gi"}}, {"emptyDir": {"sizeLimit": "5Gi"}}),
        (
            {"persistentVolumeClaim": {"claimName": "models"}},
            {"persistentVolumeClaim": {"claimName": "models"}},
        ),
        ({"hostPath": {"path": "/models"}}, {"hostPath": {"path": "/models", "type": "Directory"}}),
    ],
)
def test_the_cache_is_where_the_fleet_says(cache, source):
    worker = worker_of(cache=cache)
    assert {"name": "cache", **source} in worker["volumes"]
    mounted = {m["name"]: m["mountPath"] for m in worker["containers"][0]["volumeMounts"]}
    assert mounted["cache"] == environment_of(worker)["SHOAL_CACHE"]


def test_credentials_are_mounted_in_workers_and_may_be_missing():
    worker = worker_of()
    (secret,) = [one["secret"] for one in worker["volumes"] if one["name"] == "credentials"]
    assert (secret["secretName"], secret["optional"]) == ("default-credentials", True)
    mounted = {m["name"]: m["mountPath"] for m in worker["containers"][0]["volumeMounts"]}
    assert mounted["credentials"] == environment_of(worker)["SHOAL_CREDENTIALS"]


def test_the_object_store_fits_in_shared_memory():
    (shared,) = [one for one in worker_of()["volumes"] if one["name"] == "shared-mem"]
    assert shared["emptyDir"] == {"medium": "Memory", "sizeLimit": "256Mi"}
    store = config_of()["workerGroupSpecs"][0]["rayStartParams"]["object-store-memory"]
    assert int(store) == 128 * 2**20


def test_workers_are_spread_over_machines_where_that_can_be():
    (spread,) = worker_of()["topologySpreadConstraints"]
    assert spread["whenUnsatisfiable"] == "ScheduleAnyway"
    assert spread["topologyKey"] == "kubernetes.io/hostname"


def test_the_image_is_the_fleets_own_or_the_operators():
    assert worker_of()["containers"][0]["image"] == SITE.image
    ray = {"image": "mine:1", "imagePullPolicy": "Always", "imagePullSecrets": ["registry"]}
    worker = worker_of(ray=ray)
    assert worker["containers"][0]["image"] == "mine:1"
    assert worker["containers"][0]["imagePullPolicy"] == "Always"
    assert worker["imagePullSecrets"] == [{"name": "registry"}]
