"""Real operator processes on a real API server: who leads, and that nobody else writes.

The API server's audit log is the witness. Each process is a user of its own there, and while a test
runs a Model changes all the time, so that whoever leads has something to write.
"""

import itertools
import json
import threading
import time
from datetime import UTC, datetime, timedelta

import pytest
from audited import Audited, writes
from little_fleet import is_told, little_fleet
from operator_process import OperatorProcess, ending
from waiting import eventually

from shoal.plan.leadership import LEASE_S, RENEW_DEADLINE_S

pytestmark = [pytest.mark.kubernetes_api, pytest.mark.timeout(300)]

LEASES = "/apis/coordination.k8s.io/v1/namespaces/{}/leases"
YEARS = (1970, 2999)
SCALE = "/apis/shoal.dev/v1alpha1/namespaces/default/models/busy/scale"


class Field:
    """Where candidates meet: a namespace, its Lease, and a Model that is never at rest."""

    def __init__(self, plane, namespace, folder, processes):
        self.plane = plane
        self.namespace = namespace
        self._folder = folder
        self._processes = processes
        plane.kubectl("create", "namespace", namespace)

    def start(self, name):
        user = f"{name}-of-{self.namespace}"
        kubeconfig = self.plane.kubeconfig_of_user(user, "system:masters")
        log = self._folder / f"{user}.log"
        process = OperatorProcess(user, kubeconfig, self.namespace, log)
        self._processes.append(process)
        return process

    def leading(self, name="first"):
        process = self.start(name)
        eventually(lambda: process.leads)
        return process

    def standing_by(self, name="second"):
        process = self.start(name)
        eventually(lambda: process.ask("/readyz")[0] == 200)
        assert not process.leads
        return process

    @property
    def lease(self):
        path = f"{LEASES.format(self.namespace)}/shoal-operator"
        return json.loads(self.plane.request("GET", path)[1])

    def ghost_holds(self, time_there):
        """A process whose clock shows this time holds the Lease, and writes it now."""
        lease = self.lease
        exists = lease["kind"] == "Lease"
        spec = {
            "holderIdentity": "ghost",
            "leaseDurationSeconds": 15,
            "renewTime": time_there.isoformat(timespec="microseconds").replace("+00:00", "Z"),
        }
        body = {
            "apiVersion": "coordination.k8s.io/v1",
            "kind": "Lease",
            "metadata": lease["metadata"] if exists else {"name": "shoal-operator"},
            "spec": spec,
        }
        path = LEASES.format(self.namespace)
        method, name = ("PUT", "/shoal-operator") if exists else ("POST", "")
        assert self.plane.request(method, path + name, body)[0] < 300

    def writes_of(self, process):
        """What a process wrote but for Leases."""
        return [
            one
            for one in writes(self.plane.audit_log)
            if one.user == process.name and one.resource != "leases"
        ]


@pytest.fixture(scope="module")
def plane():
    with Audited() as running:
        running.install_shoal_crds()
        running.install_kuberay_crds()
        yield running


@pytest.fixture(scope="module")
def busy(plane):
    """A Model of a Fleet that changes all the time; whoever leads tells so in its status."""
    fleet = {"metadata": {"name": "busy"}, "spec": {"pools": [{"name": "cpu"}]}}
    source = {"uri": "file:///models/busy"}
    model = {
        "metadata": {"name": "busy", "namespace": "default"},
        "spec": {"fleet": "busy", "source": source, "replicas": 1},
    }
    plane.apply(*_resources(fleet, model))
    over = threading.Event()

    def change():
        for number in itertools.cycle((1, 2, 3)):
            if over.wait(0.2):
                return
            body = {
                "apiVersion": "autoscaling/v1",
                "kind": "Scale",
                "metadata": {"name": "busy", "namespace": "default"},
                "spec": {"replicas": number},
            }
            try:
                plane.request("PUT", SCALE, body)
            except OSError:
                continue  # A test has stopped the API server.

    thread = threading.Thread(target=change)
    thread.start()
    yield
    over.set()
    thread.join()


def _resources(fleet, *models):
    version = {"apiVersion": "shoal.dev/v1alpha1"}
    return [version | {"kind": "Fleet"} | fleet, *(version | {"kind": "Model"} | m for m in models)]


@pytest.fixture
def fields(plane, tmp_path):
    """Fields of their own, by name; every process on them is ended."""
    with ending([]) as processes:
        yield lambda name: Field(plane, name, tmp_path, processes)


@pytest.fixture
def field(fields, request):
    return fields(f"field-{abs(hash(request.node.name)) % 10**8}")


def took_over(before, after):
    """Both wrote, and all that one wrote came before all that the other wrote."""
    return before and after and before[-1].at < after[0].at


def test_a_killed_leader_is_followed_within_twenty_seconds_and_never_two_lead(field, busy):
    first = field.leading()
    second = field.standing_by()
    eventually(lambda: field.writes_of(first))
    first.kill()
    killed = time.monotonic()
    eventually(lambda: second.leads)
    assert time.monotonic() - killed <= 20
    eventually(lambda: field.writes_of(second))
    assert took_over(field.writes_of(first), field.writes_of(second))
    assert field.lease["spec"]["leaseTransitions"] == 1


def test_a_leader_that_stood_still_writes_nothing_more_and_ends(field, busy):
    first = field.leading()
    second = field.standing_by()
    eventually(lambda: field.writes_of(first))
    first.pause()
    paused = datetime.now(UTC)
    eventually(lambda: second.leads and field.writes_of(second))
    first.resume()
    assert first.ended(10) == 1
    assert first.said("this process ends within")
    assert first.records[-1]["level"] == "critical"
    assert "Lease" in first.records[-1]["message"]
    assert all(one.at <= paused for one in field.writes_of(first))
    assert took_over(field.writes_of(first), field.writes_of(second))


def test_a_leader_that_is_told_to_stop_hands_over_at_once(field, busy):
    first = field.leading()
    second = field.standing_by()
    eventually(lambda: field.writes_of(first))
    first.stop()
    assert first.ended(25) == 0
    ended = time.monotonic()
    eventually(lambda: second.leads)
    # Long before the Lease would have run out.
    assert time.monotonic() - ended <= RENEW_DEADLINE_S
    eventually(lambda: field.writes_of(second))
    assert took_over(field.writes_of(first), field.writes_of(second))
    second.stop()
    assert second.ended(25) == 0
    assert field.lease["spec"]["holderIdentity"] == ""


def test_a_holder_counts_as_alive_while_it_writes_whatever_its_clock_shows(fields):
    dead, alive = [fields(f"dead-{year}") for year in YEARS], [fields(f"alive-{y}") for y in YEARS]
    for field, year in zip((*dead, *alive), (*YEARS, *YEARS), strict=True):
        field.ghost_holds(datetime(year, 1, 1, tzinfo=UTC))
    heirs = [field.start("candidate") for field in dead]
    waiting = [field.standing_by("candidate") for field in alive]
    for turn in range(10):
        for field, year in zip(alive, YEARS, strict=True):
            field.ghost_holds(datetime(year, 1, 1, tzinfo=UTC) + timedelta(seconds=turn))
        time.sleep(2)
    for heir in heirs:
        eventually(lambda heir=heir: heir.leads)
        assert 15 <= heir.stood_by_for() <= 25
    assert not any(process.leads for process in waiting)


def test_a_standby_is_healthy_and_only_the_leader_says_that_it_leads(field):
    first = field.leading()
    second = field.standing_by()
    for process in (first, second):
        assert process.ask("/healthz") == (200, "ok\n")
        assert process.ask("/readyz") == (200, "ok\n")
    assert "\nshoal_leader 1.0\n" in first.ask("/metrics")[1]
    assert "\nshoal_leader 0.0\n" in second.ask("/metrics")[1]


def test_a_fleet_and_its_model_become_a_ray_service_and_say_how_they_are(field):
    process = field.leading()
    name = field.namespace
    field.plane.apply(*little_fleet(name))
    eventually(lambda: is_told(field.plane, name, name))
    service = _found(field, "rayservice", name, "-n", name)
    assert service["metadata"]["ownerReferences"][0]["name"] == name
    said = eventually(lambda: process.said(f"Model default/{name} is not Ready"))
    assert (said["object"], said["generation"]) == (f"Model default/{name}", 1)
    metrics = process.ask("/metrics")[1]
    assert 'shoal_reconcile_total{kind="Fleet",result="success"}' in metrics
    assert 'shoal_models{condition="Ready",reason="FleetNotReady",status="False"} ' in metrics
    assert 'shoal_api_requests_total{code="200",resource="models.shoal.dev",verb="list"}' in metrics


def _found(field, *words):
    listed = field.plane.kubectl("get", *words, "-o", "json", "--ignore-not-found")
    return json.loads(listed) if listed else {}


def test_a_short_absence_of_the_api_server_is_survived_and_a_long_one_ends_the_leader(
    fresh_control_plane, tmp_path
):
    with ending([]) as processes:
        field = Field(fresh_control_plane, "field", tmp_path, processes)
        first = field.leading()
        second = field.standing_by()
        fresh_control_plane.pause_api_server()
        time.sleep(5)
        fresh_control_plane.resume_api_server()
        renewed = field.lease["spec"]["renewTime"]
        eventually(lambda: field.lease["spec"]["renewTime"] != renewed)
        assert first.code is None
        written = datetime.fromisoformat(field.lease["spec"]["renewTime"])
        fresh_control_plane.kill_api_server()
        gone = time.monotonic()
        assert first.ended(20) == 1
        # It counts from the last time that it wrote, which can be some seconds before.
        assert datetime.now(UTC) - written >= timedelta(seconds=RENEW_DEADLINE_S)
        assert time.monotonic() - gone <= LEASE_S
        assert second.code is None
        assert second.ask("/healthz")[0] == 200
        fresh_control_plane.start_api_server()
        eventually(lambda: second.leads)
