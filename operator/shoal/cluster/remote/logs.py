"""What replicas wrote, from the log API of Ray's dashboard, by way of the API server.

Source: `ray/dashboard/modules/state/state_head.py` of Ray 2.60 (`/api/v0/nodes`, `/api/v0/logs`).
The API server keeps the `Authorization` header for itself; Ray takes its token from another one.
"""

import base64
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NamedTuple

import httpx

from shoal.api import Model
from shoal.api.labels import FLEET_LABEL
from shoal.api.runtime import DEPLOYMENT
from shoal.cluster.remote.connection import TIMEOUT_S, Connection, words_of
from shoal.errors import AccessDenied, WorldUnavailable

DASHBOARD_PORT = 8265
_ALL, _POLL_S = -1, 0.5


class LogFile(NamedTuple):
    """A replica's log: which, and on which of Ray's nodes."""

    replica: str
    node: str
    name: str


class ReplicaLogs:
    """The logs of one Model's replicas, those that ended among them."""

    def __init__(self, connection: Connection, model: Model) -> None:
        """Raises what `ask` does, and WorldUnavailable where the Fleet has no Ray cluster."""
        self._connection = connection
        self._pattern = f"serve/replica_{model.metadata.namespace}.{model.metadata.name}"
        namespace, cluster = _ray_cluster(connection, model.spec.fleet)
        service = f"{cluster}-head-svc:{DASHBOARD_PORT}"
        self._base = f"/api/v1/namespaces/{namespace}/services/{service}/proxy/api/v0"
        token = _token(connection, namespace, model.spec.fleet)
        self._headers = {"x-ray-authorization": f"Bearer {token}"}

    def files(self) -> list[LogFile]:
        """Those that there are, by node."""
        nodes = self._get("nodes", limit="1000")["result"]
        alive = [node["node_id"] for node in nodes if node["state"] == "ALIVE"]
        return [file for node in alive for file in self._files_on(node)]

    def lines(self, file: LogFile, last: int | None, follow: bool) -> Iterator[str]:
        """All lines of a file, or only the last; `follow`: also those that are still written."""
        count = str(_ALL if last is None else last)
        params = {"node_id": file.node, "filename": file.name, "lines": count}
        if follow:
            params["interval"] = str(_POLL_S)
        path = f"{self._base}/logs/{'stream' if follow else 'file'}"
        timeout = httpx.Timeout(TIMEOUT_S, read=None)
        with (
            _in_words(),
            self._connection.client.stream(
                "GET", path, params=params, headers=self._headers, timeout=timeout
            ) as response,
        ):
            if response.is_error:
                response.read()
                raise _refused(response)
            yield from response.iter_lines()

    def _files_on(self, node: str) -> list[LogFile]:
        found = self._get("logs", node_id=node, glob=f"{self._pattern}_{DEPLOYMENT}_*.log")
        names = [name for category in found.values() for name in category]
        return [LogFile(_replica(name), node, name) for name in sorted(names)]

    def _get(self, path: str, **params: str) -> Any:
        url = f"{self._base}/{path}"
        with _in_words():
            response = self._connection.client.get(url, params=params, headers=self._headers)
        if response.is_error:
            raise _refused(response)
        return response.json()["data"]["result"]


@contextmanager
def _in_words() -> Iterator[None]:
    try:
        yield
    except httpx.HTTPError as error:
        raise _unreachable(str(error) or type(error).__name__) from error


def _refused(response: httpx.Response) -> WorldUnavailable:
    if response.status_code in (httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN):
        return AccessDenied(words_of(response))
    return _unreachable(words_of(response))


def _unreachable(why: str) -> WorldUnavailable:
    return WorldUnavailable(
        f"Ray's dashboard does not answer by way of the API server: {why.rstrip('.')}. The Fleet's "
        "NetworkPolicy admits KubeRay and the operator's namespace only: where the network plugin "
        "enforces it, the API server may be kept out"
    )


def _replica(name: str) -> str:
    """`hvvf3lvr`, of `serve/replica_ops.digits_Replica_hvvf3lvr.log`."""
    return name.rpartition("_")[2].removesuffix(".log")


def _ray_cluster(connection: Connection, fleet: str) -> tuple[str, str]:
    path, selector = "/apis/ray.io/v1/rayservices", f"{FLEET_LABEL}={fleet}"
    found: Mapping[str, Any] = connection.ask("GET", path, params={"labelSelector": selector})
    for service in found["items"]:
        status = service.get("status", {})
        names = [
            status.get(which, {}).get("rayClusterName")
            for which in ("activeServiceStatus", "pendingServiceStatus")
        ]
        for name in filter(None, names):
            return service["metadata"]["namespace"], name
    raise WorldUnavailable(f"Fleet {fleet} has no Ray cluster yet")


def _token(connection: Connection, namespace: str, fleet: str) -> str:
    path = f"/api/v1/namespaces/{namespace}/secrets/{fleet}-token"
    secret = connection.ask("GET", path)
    if secret is None:
        raise WorldUnavailable(f"Fleet {fleet} has no token yet")
    return base64.b64decode(secret["data"]["auth_token"]).decode()
