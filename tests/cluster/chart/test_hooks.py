"""The default Fleet's Job and the pod of `helm test`, with the accounts that they have."""

import asyncio
import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
import yaml
from shoal_chart import NAMESPACE, RELEASE, documents, render, setting, stand_in_crd

from shoal.cluster.kube.connection import connect
from shoal.errors import AccessDenied, KindMissing, WorldUnavailable
from shoal.installation.check import check
from shoal.installation.fleet import apply

pytestmark = pytest.mark.kubernetes_api

FLEET, TEST = "shoal-default-fleet", "shoal-test"


def hooks(name, *values):
    """The chart's objects of that name, as Helm runs them."""
    found = [one for one in documents(render(*values)) if one["metadata"]["name"] == name]
    assert all("helm.sh/hook" in one["metadata"]["annotations"] for one in found)
    return found


def account(cluster, name):
    """A kubeconfig of a hook's account, which is made together with its rights."""
    rights = [one for one in hooks(name) if one["kind"] not in ("Job", "Pod")]
    cluster.kubectl("apply", "-f", "-", stdin=yaml.safe_dump_all(rights))
    return cluster.kubeconfig_of_service_account(NAMESPACE, name)


def default_fleet(*values):
    """The Fleet that the Job is told to apply."""
    job = hooks(FLEET, *values)[-1]
    environment = job["spec"]["template"]["spec"]["containers"][0]["env"]
    return json.loads(environment[0]["value"])


async def run_job(kubeconfig, fleet, **patience):
    async with connect(kubeconfig) as api:
        return await apply(api, fleet, **patience)


async def run_test(kubeconfig, operator, **patience):
    async with connect(kubeconfig) as api:
        return [line async for line in check(api, NAMESPACE, operator, **patience)]


async def test_the_job_makes_the_fleet_and_changes_what_the_values_say_and_nothing_else(installed):
    job = account(installed, FLEET)
    await run_job(job, default_fleet())
    installed.kubectl("label", "fleet", "default", "team=a")
    by_hand = {"spec": {"network": {"accessLog": True}}}
    installed.kubectl("patch", "fleet", "default", "--type=merge", "-p", json.dumps(by_hand))
    pools = [{"name": "cpu", "workers": {"min": 2, "max": 2}}]
    await run_job(job, default_fleet(*setting(defaultFleet__spec__pools=pools)))
    fleet = installed.get("fleet", "default")
    assert fleet["spec"]["pools"][0]["workers"] == {"min": 2, "max": 2}
    assert fleet["spec"]["network"]["accessLog"] is True
    assert fleet["metadata"]["labels"]["team"] == "a"


async def test_the_job_waits_until_the_new_crds_are_served(vacant):
    job = account(vacant, FLEET)
    waiting = asyncio.create_task(run_job(job, default_fleet()))
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(asyncio.shield(waiting), 1)
    await asyncio.to_thread(vacant.helm, "install", *RELEASE)
    assert (await waiting)["metadata"]["name"] == "default"


async def test_the_job_says_what_is_wrong(vacant):
    job = account(vacant, FLEET)
    with pytest.raises(KindMissing, match="install Shoal's CRDs"):
        await run_job(job, default_fleet(), patience_s=0)
    await asyncio.to_thread(vacant.helm, "install", *RELEASE)
    wrong = default_fleet(
        *setting(defaultFleet__spec__pools=[{"name": "cpu", "workers": {"min": 0}}])
    )
    with pytest.raises(WorldUnavailable, match=r"at least 1 in some pool"):
        await run_job(job, wrong)


async def test_the_job_makes_no_other_fleet_than_the_default(installed):
    job = account(installed, FLEET)
    fleet = default_fleet()
    await run_job(job, fleet)
    with pytest.raises(AccessDenied):
        await run_job(job, {**fleet, "metadata": {"name": "other"}})


class Operator(BaseHTTPRequestHandler):
    def do_GET(self):
        ready = self.server.ready and self.path == "/readyz"
        self.send_response(200 if ready else 503)
        self.end_headers()
        self.wfile.write(b"ok" if ready else b"the watches are not there yet")

    def log_message(self, *_):
        pass


@pytest.fixture
def operator():
    """Stands where the operator's Service does."""
    server = HTTPServer(("127.0.0.1", 0), Operator)
    server.ready = True
    server.address = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


async def test_helm_test_finds_what_is_missing_and_passes_when_nothing_is(installed, operator):
    pod = account(installed, TEST)
    with pytest.raises(KindMissing, match="install KubeRay"):
        await run_test(pod, operator.address)
    await asyncio.to_thread(installed.apply, stand_in_crd("ray.io", "RayService"))
    served = ("wait", "--for=condition=Established", "crd/rayservices.ray.io", "--timeout=30s")
    await asyncio.to_thread(installed.kubectl, *served)
    assert await run_test(pod, operator.address) == [
        "models.shoal.dev is served",
        "fleets.shoal.dev is served",
        "rayservices.ray.io is served",
        "a Model would be taken",
        "the operator is ready",
    ]
    assert installed.get("models", "-A")["items"] == []
    operator.ready = False
    with pytest.raises(WorldUnavailable, match=r"not ready: .*503: the watches are not there yet"):
        await run_test(pod, operator.address, patience_s=0)
