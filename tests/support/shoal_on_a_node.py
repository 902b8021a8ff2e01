"""Shoal as people install it: the chart, a Fleet, Models and KubeRay's pods, on a real node.

Nothing of the product is imported: everything is asked with kubectl, helm, shoal and HTTP.
"""

import base64
import contextlib
import hashlib
import json
import sys
from collections.abc import Iterator
from functools import partial
from typing import Any

import httpx
import waiting
import yaml
from machine.commands import CommandFailed, run
from model_store import ModelStore, classifier
from shoal_chart import NAMESPACE, SAMPLES
from shoalcluster import installation
from steady_load import SteadyLoad
from testcluster.node import Node

TEAM = "ops"
FLEET = "default"
PRIVATE = "/private/triage.tar.gz"
# A machine with other work may take several times as long as a quiet one.
PATIENCE_S = 300.0
# Each look starts a kubectl or more, beside all that they wait for.
eventually = partial(waiting.eventually, patience_s=PATIENCE_S, pause_s=0.3)
# What a worker asks for where there are two cores for everybody; its pool may say that it has more.
LITTLE = {"name": "ray-worker", "resources": {"requests": {"cpu": "200m", "memory": "1Gi"}}}


class ShoalOnANode:
    """What the tests do and see, in two namespaces that are there. `store` has models for pods.

    `things_before` is what the cluster had without it.
    """

    def __init__(self, node: Node, store: ModelStore) -> None:
        self.node = node
        self.store = store
        self.get = node.control_plane.get
        self.kubectl = node.kubectl
        self.things_before = self.things()

    # The installation.

    def install(self) -> None:
        """`helm install`, without the chart's own Fleet."""
        installation.install(self.node, "--set=defaultFleet.create=false")

    def uninstall(self) -> None:
        """`helm uninstall`, whether or not it is installed."""
        installation.uninstall(self.node)

    def remove(self) -> None:
        """Everything, also what `helm uninstall` keeps, and the node's GPUs."""
        installation.remove(self.node)
        self.kubectl("delete", "namespace", TEAM, "--ignore-not-found", "--timeout=300s")
        self.node.pretend_gpus(0, "", 0)

    def things(self) -> set[str]:
        """`kind/namespace/name` of all that the API server has, but for events."""
        kinds = self.kubectl("api-resources", "--verbs=list", "-o", "name").split()
        lasting = ",".join(kind for kind in kinds if not kind.startswith("events"))
        said = "{.kind}/{.metadata.namespace}/{.metadata.name}"
        form = "jsonpath={range .items[*]}" + said + "{'\\n'}{end}"
        return set(self.kubectl("get", lasting, "-A", "-o", form).split())

    def shoal(self, *words: str) -> str:
        """What the command line prints, for the team and by the administrator's kubeconfig."""
        where = ("--kubeconfig", str(self.node.kubeconfig), "-n", TEAM)
        return run(sys.executable, "-m", "shoal", *words, *where)

    # Models and the Fleet.

    def apply(self, manifest: dict[str, Any], namespace: str = TEAM) -> None:
        """`kubectl apply`."""
        self.kubectl("apply", "-n", namespace, "-f", "-", stdin=json.dumps(manifest))

    def apply_private_model(self) -> None:
        """The sample of a source with a Secret, on the store's private files."""
        text = (SAMPLES / "features" / "secret.yaml").read_text()
        secret, model = yaml.safe_load_all(text)
        content = classifier("kept_private")
        source = {
            "uri": self.store.put(PRIVATE, content),
            "digest": f"sha256:{hashlib.sha256(content).hexdigest()}",
        }
        self.apply(secret | {"stringData": {"token": self.store.token}})
        self.apply(model | {"spec": model["spec"] | {"source": model["spec"]["source"] | source}})

    def patch(self, kind: str, name: str, spec: dict[str, Any]) -> None:
        """Merge this into the spec of a Model or the Fleet."""
        where = ("-n", TEAM) if kind == "model" else ()
        body = json.dumps({"spec": spec})
        self.kubectl("patch", kind, name, *where, "--type=merge", "-p", body)

    def wait_until_ready(self, *objects: str) -> None:
        """`kubectl wait --for=condition=Ready`: the newest generation, for Models of the team."""
        try:
            self.node.wait_for("condition=Ready", "-n", TEAM, *objects, patience_s=PATIENCE_S)
        except CommandFailed as error:
            error.add_note(self.kubectl("get", "models,fleets", "-A", "-o", "yaml"))
            error.add_note(self.operator_log())
            raise

    def status(self, name: str) -> dict[str, Any]:
        """Of a Model of the team."""
        found: dict[str, Any] = self.get("model", name, "-n", TEAM).get("status", {})
        return found

    def condition(self, name: str, kind: str) -> dict[str, Any]:
        """One of a Model's conditions; empty if it has none of that type."""
        return condition(self.status(name), kind)

    def url(self, path: str = "") -> str:
        """Below the Fleet's Service, as this machine reaches it."""
        service = self.get("service", FLEET, "-n", NAMESPACE)
        return f"http://{service['spec']['clusterIP']}:8000{path}"

    # Pods.

    def pods(self, *, node_type: str, group: str | None = None) -> list[dict[str, Any]]:
        """Of what the address leads to, those that are not on their way out: the `head`, or a
        `worker` each.
        """
        labels = f"ray.io/cluster={self.ray_cluster()},ray.io/node-type={node_type}"
        labels += f",ray.io/group={group}" if group else ""
        return [one for one in self._labelled(labels) if "deletionTimestamp" not in one["metadata"]]

    def old_pods(self) -> list[dict[str, Any]]:
        """Of the Ray clusters that the address has left."""
        return self._labelled(f"ray.io/cluster,ray.io/cluster!={self.ray_cluster()}")

    def _labelled(self, labels: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.get("pods", "-n", NAMESPACE, "-l", labels)["items"]
        return found

    def head(self) -> str | None:
        """The name of the head's pod, if there is one."""
        return next(map(name_of, self.pods(node_type="head")), None)

    def wait_until_whole(self, workers: int = 2) -> None:
        """The head and so many workers are ready."""

        def whole() -> bool:
            heads, others = self.pods(node_type="head"), self.pods(node_type="worker")
            return len(heads) == 1 and len(others) == workers and all(map(is_ready, heads + others))

        eventually(whole, "the head and the workers are ready", tell=self.said_of_pods)

    def containers(self) -> set[str]:
        """The ids of the containers of the head and of the workers that are always there."""
        pods = self.pods(node_type="head") + self.pods(node_type="worker", group="cpu")
        return {one["containerID"] for pod in pods for one in pod["status"]["containerStatuses"]}

    def ray_cluster(self) -> str:
        """The name of the Ray cluster that the address leads to."""
        selector = self.get("service", FLEET, "-n", NAMESPACE)["spec"]["selector"]
        return str(selector["ray.io/cluster"])

    def ray_clusters(self) -> set[str]:
        """The names of all that there are, the old ones of an upgrade among them."""
        return set(map(name_of, self.get("rayclusters", "-n", NAMESPACE)["items"]))

    def replicas(self, model: str) -> dict[str, Any]:
        """What the replicas of a Model of the team tell the ledger, by id; none if it is silent."""
        head = self.get("service", f"{self.ray_cluster()}-head-svc", "-n", NAMESPACE)
        secret = self.get("secret", f"{FLEET}-token", "-n", NAMESPACE)
        token = base64.b64decode(secret["data"]["auth_token"]).decode()
        url = f"http://{head['spec']['clusterIP']}:8000/-/shoal/models"
        try:
            answer = httpx.get(url, headers={"authorization": f"Bearer {token}"}, timeout=10)
            models = answer.raise_for_status().json()["models"]
        except httpx.HTTPError:
            return {}
        found: dict[str, Any] = models.get(f"{TEAM}/{model}", {}).get("replicas", {})
        return found

    def ready_replicas(self, model: str) -> int | None:
        """How many replicas of a Model say that they serve; None while any says otherwise."""
        states = [entry["state"] for entry in self.replicas(model).values()]
        return len(states) if set(states) <= {"Ready"} else None

    # What is said.

    def operator_log(self) -> str:
        """The last of what the operators logged."""
        labels = ("-l", "app.kubernetes.io/name=shoal", "--prefix", "--tail=200")
        return self.kubectl("logs", "-n", NAMESPACE, *labels)

    def said_of_pods(self) -> str:
        """Pods and what happened lately."""
        pods = self.kubectl("get", "pods", "-n", NAMESPACE, "-o", "wide")
        return pods + self.kubectl("get", "events", "-n", NAMESPACE, "--sort-by=.lastTimestamp")

    @contextlib.contextmanager
    def no_request_fails(self, path: str, body: dict[str, Any], what: str) -> Iterator[SteadyLoad]:
        """A steady load on a Model while the block runs; afterwards none of it has failed."""
        with SteadyLoad(self.url(path), body) as load:
            eventually(lambda: load.answers, "it answers", tell=lambda: load.report(what))
            yield load
        print(load.report(what))
        assert not load.failures, f"{load.report(what)}\n{self.said_of_pods()}"


def condition(status: dict[str, Any], kind: str) -> dict[str, Any]:
    """One of a status's conditions; empty if it has none of that type."""
    listed = status.get("conditions", ())
    return next((one for one in listed if one["type"] == kind), {})


def is_ready(pod: dict[str, Any]) -> bool:
    """Whether its condition `Ready` is true."""
    return bool(condition(pod["status"], "Ready").get("status") == "True")


def name_of(manifest: dict[str, Any]) -> str:
    """Its name."""
    return str(manifest["metadata"]["name"])
