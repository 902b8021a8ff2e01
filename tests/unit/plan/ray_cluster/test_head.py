"""The head: it may be lost, and nobody notices."""

import pytest
from fleet_pods import config_of, environment_of, head_of, on_a_cluster

from shoal.plan.ray_cluster.service import ray_service

ROCKS_DB = {"rocksDB": {}}
REDIS = {"redis": {"address": "redis.test:6379", "secretName": "redis"}}


def test_the_head_holds_no_replicas_and_takes_no_requests():
    assert config_of()["headGroupSpec"]["rayStartParams"]["num-cpus"] == "0"
    assert ray_service(on_a_cluster(), "{}").spec.exclude_head_pod_from_serve_svc


def test_a_new_head_is_found_at_the_address_of_the_old_one():
    service = config_of()["headGroupSpec"]["headService"]
    assert service == {"metadata": {}, "spec": {"publishNotReadyAddresses": True}}


def test_a_lost_head_makes_room_at_once():
    assert head_of()["terminationGracePeriodSeconds"] == 5


def test_replicas_that_a_new_head_finds_late_are_not_killed():
    assert environment_of(head_of())["SERVE_SLOW_STARTUP_WARNING_S"] == "600"


def test_the_head_itself_does_not_wait_for_a_gcs_that_is_gone():
    assert "RAY_gcs_rpc_server_reconnect_timeout_s" not in environment_of(head_of())


def test_probes_are_our_own_and_need_no_program_in_the_image():
    container = head_of()["containers"][0]
    for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
        assert container[probe]["httpGet"] == {"path": "/api/healthz", "port": 52365}


def test_everything_is_behind_a_token_that_outlives_upgrades():
    assert config_of()["authOptions"] == {"mode": "token", "secretName": "default-token"}


def test_the_autoscaler_is_the_second_with_bounds_of_its_own():
    options = config_of(ray={"imagePullPolicy": "Never"})["autoscalerOptions"]
    assert config_of()["enableInTreeAutoscaling"]
    assert options["version"] == "v2"
    assert options["imagePullPolicy"] == "Never"
    assert options["securityContext"]["readOnlyRootFilesystem"]


def test_only_the_autoscaler_is_given_a_token_of_the_api_server():
    mounts = config_of()["autoscalerOptions"]["volumeMounts"]
    assert mounts[-1]["mountPath"] == "/var/run/secrets/kubernetes.io/serviceaccount"
    head = head_of()
    assert head["automountServiceAccountToken"] is False
    assert mounts[-1]["name"] not in [m["name"] for m in head["containers"][0]["volumeMounts"]]


def test_the_autoscaler_writes_its_logs_where_the_head_reads_them():
    logs = {"name": "ray-logs", "mountPath": "/tmp/ray"}
    assert logs in config_of()["autoscalerOptions"]["volumeMounts"]
    assert logs in head_of()["containers"][0]["volumeMounts"]


def test_state_in_rocksdb_is_on_the_fleets_volume_in_a_folder_of_the_ray_cluster():
    head = head_of(durability=ROCKS_DB)
    assert environment_of(head)["RAY_gcs_storage"] == "rocksdb"
    mount = head["containers"][0]["volumeMounts"][-1]
    assert mount["subPathExpr"] == "$(RAY_CLUSTER_NAME)"
    assert environment_of(head)["RAY_gcs_storage_path"].startswith(mount["mountPath"])
    assert head["volumes"][-1]["persistentVolumeClaim"] == {"claimName": "default-gcs"}
    assert "gcsFaultToleranceOptions" not in config_of(durability=ROCKS_DB)


def test_rocksdb_waits_for_the_head_before_it():
    (wait,) = head_of(durability=ROCKS_DB)["initContainers"]
    assert wait["command"][:3] == ["python", "-m", "shoal_serving.gcs_folder"]
    assert wait["command"][-1] == "$(RAY_CLUSTER_NAME)"
    assert [one["name"] for one in wait["env"]] == ["RAY_CLUSTER_NAME"]


def test_two_heads_of_one_volume_are_on_one_machine():
    terms = head_of(durability=ROCKS_DB)["affinity"]["podAffinity"]
    (term,) = terms["requiredDuringSchedulingIgnoredDuringExecution"]
    assert term["labelSelector"]["matchLabels"]["ray.io/node-type"] == "head"
    assert "affinity" not in head_of()


def test_state_in_redis_is_kuberays_business():
    config = config_of(durability=REDIS)
    key = {"secretKeyRef": {"name": "redis", "key": "password"}}
    assert config["gcsFaultToleranceOptions"] == {
        "redisAddress": "redis.test:6379",
        "redisPassword": {"valueFrom": key},
    }
    assert "RAY_gcs_storage" not in environment_of(head_of(durability=REDIS))


def test_redis_without_a_secret_has_no_password():
    redis = {"redis": {"address": "redis.test:6379"}}
    options = config_of(durability=redis)["gcsFaultToleranceOptions"]
    assert options == {"redisAddress": "redis.test:6379"}


@pytest.mark.parametrize("durability", [None, ROCKS_DB, REDIS])
def test_a_heads_service_account_is_kuberays_to_choose(durability):
    head = {"template": {"spec": {"serviceAccountName": "mine"}}}
    assert "serviceAccountName" not in head_of(head=head, durability=durability)


def test_old_workers_outlive_an_operator_that_is_away():
    assert ray_service(on_a_cluster(), "{}").spec.ray_cluster_deletion_delay_seconds == 120
