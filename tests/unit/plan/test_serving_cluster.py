"""Which Ray cluster the Fleet's address leads to."""

import json
from dataclasses import replace

import pytest
from fleet_pods import a_head, a_pod, a_service, on_a_cluster

from shoal.api import Condition, ConditionType, ModelStatus, Reason
from shoal.plan.serving_cluster import serving_cluster
from shoal.testing import a_ledger, a_model, a_replica

LEDGER, TRIAGE, CHAT = "shoal-ledger", "ops.triage", "ops.chat"
TOLD = json.dumps({"applications": [{"name": name} for name in (LEDGER, TRIAGE, CHAT)]})
MODELS = (a_model("triage"), a_model("chat"))
READY = Condition(type=ConditionType.READY, status="True", reason=Reason.READY)


def leads_to(active="", pending="", *, before=None, running=(), pods=(), serves=("triage",)):
    """Where it leads, of a Fleet that serves these Models; None is a silent ledger."""
    service = a_service(active, pending, before=before, running=running, serveConfigV2=TOLD)
    observed = on_a_cluster(models=MODELS, service=service, pods=pods)
    if serves is not None:
        replicas = {f"ops/{name}": [a_replica(a_model(name))] for name in serves}
        observed = replace(observed, ledger=a_ledger(replicas))
    return serving_cluster(observed)


def upgrading(**said):
    pods = (a_pod("old"), a_pod("new"))
    return leads_to("old", "new", **{"before": "old", "pods": pods, **said})


def test_without_a_ray_service_it_leads_nowhere():
    assert serving_cluster(on_a_cluster()) is None
    assert leads_to() is None


@pytest.mark.parametrize("pods", [(), (a_pod("first"),)])
def test_the_first_ray_cluster_is_led_to_as_soon_as_it_is_there(pods):
    assert leads_to(pending="first", pods=pods, serves=None) == "first"


def test_the_first_one_stays_when_it_becomes_the_active_one():
    assert leads_to("first", before="first", pods=(a_pod("first"),)) == "first"


def test_an_upgrade_changes_nothing_while_the_new_one_starts():
    assert upgrading() == "old"
    assert upgrading(running=(LEDGER,)) == "old"


def test_the_new_one_takes_over_once_it_serves_all_that_the_old_one_serves():
    assert upgrading(running=(LEDGER, TRIAGE)) == "new"


def test_a_new_one_that_lacks_a_served_model_does_not_take_over():
    assert upgrading(running=(LEDGER, TRIAGE), serves=("triage", "chat")) == "old"


def test_a_model_that_is_broken_anyway_keeps_nobody_waiting():
    assert upgrading(running=(LEDGER, TRIAGE), serves=("triage",)) == "new"


def test_a_model_that_is_wanted_no_more_keeps_nobody_waiting():
    assert upgrading(running=(LEDGER, TRIAGE), serves=("triage", "deleted")) == "new"


def test_a_new_one_without_a_worker_that_is_ready_does_not_take_over():
    running = (LEDGER, TRIAGE, CHAT)
    for pods in ((a_pod("old"),), (a_pod("old"), a_pod("new", ready=False), a_head("new"))):
        assert upgrading(running=running, pods=pods) == "old"


def test_what_took_over_stays_while_its_models_come_and_go():
    assert upgrading(before="new", running=()) == "new"


def test_what_took_over_and_lost_its_workers_gives_back():
    assert upgrading(before="new", pods=(a_pod("old"),)) == "old"


def test_kuberay_moving_on_before_workers_are_ready_is_not_followed_yet():
    assert leads_to("new", before="old", pods=(a_pod("old"), a_pod("new", ready=False))) == "old"
    assert leads_to("new", before="old", pods=(a_pod("old"), a_pod("new"))) == "new"


def test_kuberay_having_moved_on_is_followed_where_nobody_is_left():
    assert leads_to("new", before="old", pods=()) == "new"


def test_another_attempt_at_an_upgrade_begins_anew():
    pods = (a_pod("old"), a_pod("failed"), a_pod("newer"))
    assert leads_to("old", "newer", before="failed", pods=pods) == "old"


def test_a_silent_ray_service_changes_nothing():
    assert leads_to(before="old") == "old"


def test_with_a_silent_ledger_the_models_own_words_count():
    ready = MODELS[1].model_copy(update={"status": ModelStatus(conditions=(READY,))})
    running = (LEDGER, TRIAGE)
    service = a_service("old", "new", before="old", running=running, serveConfigV2=TOLD)
    pods = (a_pod("old"), a_pod("new"))
    lacking = on_a_cluster(models=(MODELS[0], ready), service=service, pods=pods)
    assert serving_cluster(lacking) == "old"
    assert serving_cluster(on_a_cluster(models=MODELS, service=service, pods=pods)) == "new"
