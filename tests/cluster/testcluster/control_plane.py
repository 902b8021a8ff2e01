"""The half of Kubernetes that stores and serves objects, and the verbs that break it in tests."""

import http.client
import json
import signal
import socket
import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from machine.commands import CommandFailed, run

from testcluster import kubeconfig
from testcluster.binaries import binary, kuberay_config
from testcluster.daemons import Daemon
from testcluster.pki import Authority, signing_pair
from testcluster.state import MARK, State

MANIFESTS = Path(__file__).parents[3] / "manifests"
# Each is a megabyte of schema, which an API server takes two seconds of a processor to take in.
SHOALS_RAY = ("rayclusters", "rayservices")
ALL_RAY = (*SHOALS_RAY, "rayjobs", "raycronjobs")
SYSTEM_MASTERS = "system:masters"
SERVICE_RANGE = "10.96.0.0/24"
KUBERNETES_SERVICE = "10.96.0.1"
# etcd takes it for host and port, and listens on a socket of that name in its working folder.
ETCD_SOCKET = "etcd.sock:0"


@dataclass(frozen=True)
class Place:
    """Where the programs run: `prefix` brings a command there, the server listens at `address`.

    Without a `port` it is any that is free. `advertise` says whether pods reach it there.
    """

    address: str = "127.0.0.1"
    port: int | None = None
    prefix: tuple[str, ...] = ()
    service_range: str = SERVICE_RANGE
    kubernetes_service: str = KUBERNETES_SERVICE
    advertise: bool = False


class ControlPlane:
    """etcd, kube-apiserver, and by choice the controller manager and the scheduler.

    The controller manager is what makes ServiceAccounts, collects garbage and ends namespaces.
    Use it as a context, or `start` and `stop` it.
    """

    def __init__(
        self,
        controller_manager: bool = True,
        scheduler: bool = False,
        state: State | None = None,
        place: Place | None = None,
    ) -> None:
        self._owned = state is None
        self.state = state or State.create()
        self.place = place or Place()
        self._held = _hold_a_port(self.place.address) if self.place.port is None else None
        self.port = self.place.port or (self._held.getsockname()[1] if self._held else 0)
        self._installed: set[Path] = set()
        self._keep_certificates()
        self.etcd = self._daemon("etcd", self._etcd_flags())
        self.api_server = self._daemon("kube-apiserver", self._api_server_flags())
        self.controller_manager = (
            self._daemon("kube-controller-manager", self._controller_manager_flags())
            if controller_manager
            else None
        )
        self.scheduler = (
            self._daemon("kube-scheduler", self._scheduler_flags()) if scheduler else None
        )

    @property
    def url(self) -> str:
        """Of the API server."""
        return f"https://{self.place.address}:{self.port}"

    @property
    def kubeconfig(self) -> Path:
        """Of the cluster's administrator."""
        return self.state.kubeconfig

    def start(self) -> "ControlPlane":
        """Start everything; returns when the API server is ready."""
        try:
            self.etcd.start()
            self.etcd.wait_until(self._etcd_socket.exists)
            self.start_api_server()
            for daemon in (self.controller_manager, self.scheduler):
                if daemon is not None:
                    daemon.start()
        except BaseException:
            self.stop()
            raise
        return self

    def stop(self) -> None:
        """End everything and remove the folder."""
        for daemon in (self.scheduler, self.controller_manager, self.api_server, self.etcd):
            if daemon is not None:
                daemon.kill()
        if self._held is not None:
            self._held.close()
        if self._owned:
            self.state.end()

    def __enter__(self) -> "ControlPlane":
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    # Breaking it, for tests.

    def start_api_server(self) -> None:
        """Start the API server, at the same address as before; returns when it is ready."""
        self.api_server.start()
        self.api_server.wait_until(self.ready)

    def restart_api_server(self) -> None:
        """As an upgrade does: ask it to end, and start it again."""
        self.api_server.stop()
        self.start_api_server()

    def kill_api_server(self) -> None:
        """As a crash does. It stays away until `start_api_server`."""
        self.api_server.kill()

    def pause_api_server(self) -> None:
        """From here on connections are open and silent."""
        self.api_server.signal(signal.SIGSTOP)

    def resume_api_server(self) -> None:
        """End the pause."""
        self.api_server.signal(signal.SIGCONT)

    def ready(self) -> bool:
        """Whether the API server says that it can be used."""
        try:
            return self.request("GET", "/readyz")[0] == http.HTTPStatus.OK
        except (OSError, http.client.HTTPException):
            return False

    # Using it.

    def request(self, method: str, path: str, body: Any = None) -> tuple[int, bytes]:
        """One request to the API server as its administrator: status and body."""
        connection = http.client.HTTPSConnection(
            self.place.address, self.port, timeout=10, context=self._trusting()
        )
        try:
            sent = None if body is None else json.dumps(body)
            connection.request(method, path, sent, {"Content-Type": "application/json"})
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def kubectl(self, *args: str, stdin: str | None = None, kubeconfig: Path | None = None) -> str:
        """What kubectl prints; raises CommandFailed with what it says otherwise."""
        config = ("--kubeconfig", str(kubeconfig or self.kubeconfig))
        return run(str(binary("kubectl")), *config, *args, stdin=stdin, env=self._tool_environment)

    def helm(self, *args: str, stdin: str | None = None) -> str:
        """What helm prints; raises CommandFailed with what it says otherwise."""
        config = ("--kubeconfig", str(self.kubeconfig))
        return run(str(binary("helm")), *config, *args, stdin=stdin, env=self._tool_environment)

    def apply(self, *documents: dict[str, Any]) -> None:
        """Server-side apply objects."""
        listed = {"apiVersion": "v1", "kind": "List", "items": documents}
        self.kubectl("apply", "--server-side", "-f", "-", stdin=json.dumps(listed))

    def get(self, *args: str) -> dict[str, Any]:
        """`kubectl get` as data: an object, or a list of them."""
        found: dict[str, Any] = json.loads(self.kubectl("get", "-o", "json", *args))
        return found

    def install_crds(self, *paths: Path) -> None:
        """Apply the CRDs of files or folders, unless it was done; returns when they are served."""
        missing = [path for path in paths if path not in self._installed]
        if missing:
            files = [word for path in missing for word in ("-f", str(path))]
            applied = self.kubectl("apply", "--server-side", "-o", "name", *files).split()
            kinds = ",".join(name.rpartition("/")[2] for name in applied)
            self.api_server.wait_until(lambda: self.serves(kinds))
            self._installed.update(missing)

    def serves(self, kinds: str) -> bool:
        """Whether objects can be listed, which is so a while after their CRD is Established."""
        try:
            self.kubectl("get", kinds, "--all-namespaces", "-o", "name")
        except CommandFailed:
            return False
        return True

    def install_kuberay_crds(self, plurals: Sequence[str] = SHOALS_RAY) -> None:
        """Of KubeRay's pinned version: those that Shoal talks about, or others."""
        bases = kuberay_config() / "crd" / "bases"
        self.install_crds(*(bases / f"ray.io_{plural}.yaml" for plural in plurals))

    def install_shoal_crds(self) -> None:
        """Shoal's own, from `manifests/crds`."""
        self.install_crds(MANIFESTS / "crds")

    def kubeconfig_of_user(self, name: str, *groups: str) -> Path:
        """A kubeconfig for a plain user; RBAC says what it may."""
        issued = self.authority.issue(name, groups, file=f"user-{name}")
        return self._write_kubeconfig(f"user-{name}", kubeconfig.of_certificate(issued))

    def kubeconfig_of_service_account(self, namespace: str, name: str) -> Path:
        """A kubeconfig with a token of a ServiceAccount, which must exist; good for a day."""
        token = self.kubectl("create", "token", name, "-n", namespace, "--duration=24h").strip()
        return self._write_kubeconfig(
            f"service-account-{namespace}-{name}", kubeconfig.of_token(token), namespace
        )

    # How it is made.

    def _keep_certificates(self) -> None:
        self._pki = self.state.folder("pki")
        self.authority = Authority(self._pki)
        names = ("localhost", "kubernetes.default.svc", "127.0.0.1")
        hosts = dict.fromkeys((*names, self.place.kubernetes_service, self.place.address))
        self._server = self.authority.issue("kube-apiserver", hosts=tuple(hosts))
        self._admin = self.authority.issue("admin", (SYSTEM_MASTERS,))
        self._tokens, self._tokens_public = signing_pair(self._pki)
        self._write_kubeconfig("admin", kubeconfig.of_certificate(self._admin))

    def _write_kubeconfig(
        self, file: str, user: dict[str, Any], namespace: str = "default"
    ) -> Path:
        path = self.state.root / f"{file}.kubeconfig"
        return kubeconfig.write(path, self.url, self.authority.certificate, user, namespace)

    def _trusting(self) -> ssl.SSLContext:
        context = ssl.create_default_context(cafile=str(self.authority.certificate))
        context.load_cert_chain(self._admin.certificate, self._admin.key)
        return context

    @property
    def _tool_environment(self) -> dict[str, str]:
        """Caches lie in the cluster's folder, and nobody's own settings are read."""
        return {name: value for name, value in self.state.environment.items() if name != MARK}

    def _daemon(self, program: str, flags: Sequence[str]) -> Daemon:
        return Daemon(self.state, program, (str(binary(program)), *flags), self.place.prefix)

    @property
    def _etcd_socket(self) -> Path:
        return self.state.root / ETCD_SOCKET

    def _etcd_flags(self) -> tuple[str, ...]:
        # A lone member talks to no peers; what it advertises is never asked.
        nobody = "http://127.0.0.1:0"
        return (
            *("--name", "one", "--data-dir", str(self.state.root / "etcd")),
            *("--listen-client-urls", f"unix://{ETCD_SOCKET}", "--advertise-client-urls", nobody),
            *("--listen-peer-urls", "unix://peers:0", "--initial-advertise-peer-urls", nobody),
            *("--initial-cluster", f"one={nobody}"),
            *("--unsafe-no-fsync", "--log-level", "warn"),
        )

    def _api_server_flags(self) -> tuple[str, ...]:
        # The port is held by a socket that shares it: nobody else gets it between two starts.
        shared = () if self._held is None else ("--permit-port-sharing",)
        # The service `kubernetes` cannot point to a loopback address.
        endpoints = () if self.place.advertise else ("--endpoint-reconciler-type", "none")
        return (
            *("--etcd-servers", f"unix://{self._etcd_socket}"),
            *("--bind-address", self.place.address, "--secure-port", str(self.port), *shared),
            *("--advertise-address", self.place.address, *endpoints),
            *("--cert-dir", str(self._pki)),
            *("--tls-cert-file", str(self._server.certificate)),
            *("--tls-private-key-file", str(self._server.key)),
            *("--client-ca-file", str(self.authority.certificate)),
            *("--kubelet-client-certificate", str(self._admin.certificate)),
            *("--kubelet-client-key", str(self._admin.key)),
            *("--kubelet-preferred-address-types", "InternalIP"),
            *("--service-account-key-file", str(self._tokens_public)),
            *("--service-account-signing-key-file", str(self._tokens)),
            *("--service-account-issuer", "https://kubernetes.default.svc"),
            *("--service-cluster-ip-range", self.place.service_range),
            *("--authorization-mode", "Node,RBAC", "--allow-privileged"),
        )

    def _controller_manager_flags(self) -> tuple[str, ...]:
        return (
            *("--kubeconfig", str(self.kubeconfig), "--leader-elect=false", "--secure-port", "0"),
            *("--service-account-private-key-file", str(self._tokens)),
            *("--root-ca-file", str(self.authority.certificate)),
            "--use-service-account-credentials",
        )

    def _scheduler_flags(self) -> tuple[str, ...]:
        return (
            *("--kubeconfig", str(self.kubeconfig), "--leader-elect=false", "--secure-port", "0"),
        )


def _hold_a_port(address: str) -> socket.socket:
    """A socket on a free port that listens to nothing, and that shares it."""
    held = socket.socket()
    held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    held.bind((address, 0))
    return held
