"""A whole Kubernetes: a control plane and one real node, in namespaces of their own.

Pods run, are probed and restarted; Services answer; DNS resolves; claims get volumes; KubeRay's
operator runs as a pod. From this machine every pod, Service and the API server can be reached at
its own address; pods reach this machine, and nothing beyond.
"""

import http
import json
import shutil
from pathlib import Path
from string import Template

from machine.cache import locked
from machine.commands import CommandFailed
from machine.packages import ensure_packages

from testcluster import images
from testcluster.binaries import API, NODE, binary, ensure, kuberay_config, version
from testcluster.cgroups import make_cgroups
from testcluster.control_plane import ALL_RAY, ControlPlane, Place
from testcluster.daemons import Daemon
from testcluster.namespaces import Namespaces
from testcluster.needs import CNI_FOLDER, PACKAGES
from testcluster.network import free_network
from testcluster.state import LOCK, State

MANIFESTS = Path(__file__).parents[1] / "manifests"
NAME = "node-0"
KUBERAY_NAMESPACE = "ray-system"
API_PORT = 6443
# A volume that was claimed once is not given to another: so many claims in the life of a node.
VOLUMES = 20
PATIENCE_S = 120.0


class Node:
    """Use it as a context, or `start` and `stop` it."""

    def __init__(self) -> None:
        ensure_packages(PACKAGES)
        ensure((*API, *NODE))
        self.state = State.create()
        self._daemons: list[Daemon] = []

    def start(self) -> "Node":
        """Returns when the node is ready, DNS answers, and KubeRay's operator runs."""
        try:
            self._start_namespaces()
            self._start_control_plane()
            self._start_containerd()
            for archive in images.base_images():
                self.import_image(archive)
            self._start_kubelet()
            self._start_kube_proxy()
            self._install_coredns()
            self._install_volumes()
            self._install_kuberay()
            self._wait_until_ready()
        except BaseException:
            self.stop()
            raise
        return self

    def stop(self) -> None:
        """End everything; nothing of it stays on this machine."""
        for daemon in self._daemons:
            daemon.kill()
        if hasattr(self, "control_plane"):
            self.control_plane.stop()
        if hasattr(self, "namespaces"):
            self.namespaces.stop()
        self.state.end()

    def __enter__(self) -> "Node":
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    # Using it.

    @property
    def kubeconfig(self) -> Path:
        return self.control_plane.kubeconfig

    def kubectl(self, *args: str, stdin: str | None = None) -> str:
        """As ControlPlane.kubectl."""
        return self.control_plane.kubectl(*args, stdin=stdin)

    def helm(self, *args: str, stdin: str | None = None) -> str:
        """As ControlPlane.helm."""
        return self.control_plane.helm(*args, stdin=stdin)

    def run(self, *command: str) -> str:
        """What a command prints that runs in the node's namespaces; raises CommandFailed."""
        return self.namespaces.run(*command)

    def import_image(self, archive: Path) -> None:
        """Give the node an image, from an OCI or docker archive with its name inside."""
        self.ctr("images", "import", str(archive))

    def ctr(self, *args: str) -> str:
        """What containerd's own client prints, in the namespace of Kubernetes."""
        return self.run(str(binary("ctr")), "-a", str(self._socket), "-n", "k8s.io", *args)

    def wait_for(self, what: str, *objects: str, patience_s: float = PATIENCE_S) -> None:
        """`kubectl wait --for`; a failure says what happened in the cluster."""
        try:
            self.kubectl("wait", f"--for={what}", f"--timeout={patience_s:.0f}s", *objects)
        except CommandFailed as error:
            error.add_note(self.kubectl("get", "pods", "-A", "-o", "wide"))
            error.add_note(self.kubectl("get", "events", "-A", "--sort-by=.lastTimestamp"))
            raise

    def pretend_gpus(self, count: int, product: str, memory_mib: int) -> None:
        """The node says it has GPUs, labelled as NVIDIA's GPU Feature Discovery does.

        The scheduler counts them, and the kubelet admits pods that ask for them. `count` 0 takes
        them away.
        """
        labels = {"product": product, "memory": str(memory_mib), "count": str(count)}
        values = {
            f"nvidia.com/gpu.{key}": value if count else None for key, value in labels.items()
        }
        self.kubectl("patch", "node", NAME, "-p", json.dumps({"metadata": {"labels": values}}))
        having = {"nvidia.com/gpu": str(count) if count else None}
        status = json.dumps({"status": {"capacity": having, "allocatable": having}})
        self.kubectl("patch", "node", NAME, "--subresource=status", "-p", status)

    # How it is made.

    def _start_namespaces(self) -> None:
        with locked(LOCK):
            self.network = free_network()
            self.namespaces = Namespaces(self.state, self.network)
            self.namespaces.start()

    def _start_control_plane(self) -> None:
        place = Place(
            address=self.network.node,
            port=API_PORT,
            prefix=self.namespaces.prefix,
            service_range=str(self.network.services),
            kubernetes_service=self.network.kubernetes_service,
            advertise=True,
        )
        self.control_plane = ControlPlane(scheduler=True, state=self.state, place=place).start()

    def _start_containerd(self) -> None:
        self._socket = self.state.root / "containerd.sock"
        (self.state.folder("cni") / "10-pods.conflist").write_text(
            self._template("bridge.conflist")
        )
        config = self.state.root / "containerd.toml"
        config.write_text(self._template("containerd.toml"))
        daemon = self._daemon("containerd", "--config", str(config))
        daemon.wait_until(self._socket.exists)

    def _start_kubelet(self) -> None:
        make_cgroups(self.state.name)
        config = self.state.root / "kubelet.yaml"
        config.write_text(self._template("kubelet.yaml"))
        self._kubelet = self._daemon(
            *("kubelet", "--config", str(config), "--kubeconfig", str(self.kubeconfig)),
            *("--root-dir", str(self.state.folder("kubelet"))),
            *("--cert-dir", str(self.state.folder("kubelet/pki"))),
            *("--hostname-override", NAME, "--node-ip", self.network.node),
            # These machines lack the right to lower it.
            *("--oom-score-adj", "0"),
        )

    def _start_kube_proxy(self) -> None:
        # The size of the kernel's table of connections is the machine's own business.
        untouched = (
            *("--conntrack-max-per-core", "0", "--conntrack-tcp-timeout-established", "0"),
            *("--conntrack-tcp-timeout-close-wait", "0"),
        )
        self._daemon(
            *("kube-proxy", "--kubeconfig", str(self.kubeconfig), "--hostname-override", NAME),
            *("--cluster-cidr", str(self.network.pods), "--proxy-mode", "iptables", *untouched),
        )

    def _install_coredns(self) -> None:
        self.kubectl("apply", "--server-side", "-f", "-", stdin=self._template("coredns.yaml"))

    def _install_volumes(self) -> None:
        """Empty volumes that belong to root, as new disks do: pods ask for their `fsGroup`."""
        folders = [self.state.folder(f"volumes/{number}") for number in range(VOLUMES)]
        volume = Template((MANIFESTS / "volume.yaml").read_text())
        texts = [volume.substitute(number=path.name, path=path) for path in folders]
        documents = "---\n".join([self._template("storage.yaml"), *texts])
        self.kubectl("apply", "--server-side", "-f", "-", stdin=documents)

    def _install_kuberay(self) -> None:
        """KubeRay's own manifests, with its image from here."""
        folder = self.state.folder("kuberay")
        for name in ("rbac", "manager"):
            shutil.copytree(kuberay_config() / name, folder / name)
        (folder / "kustomization.yaml").write_text(self._template("kuberay.yaml"))
        self.control_plane.install_kuberay_crds(ALL_RAY)
        self.kubectl("create", "namespace", KUBERAY_NAMESPACE)
        self.kubectl("apply", "--server-side", "-k", str(folder))

    def _wait_until_ready(self) -> None:
        self._kubelet.wait_until(self._registered, PATIENCE_S)
        self.wait_for("condition=Ready", f"node/{NAME}")
        self.wait_for("condition=Available", "deployment/coredns", "-n", "kube-system")
        self.wait_for("condition=Available", "deployment/kuberay-operator", "-n", KUBERAY_NAMESPACE)

    def _registered(self) -> bool:
        return self.control_plane.request("GET", f"/api/v1/nodes/{NAME}")[0] == http.HTTPStatus.OK

    def _daemon(self, program: str, *flags: str) -> Daemon:
        command = (str(binary(program)), *flags)
        daemon = Daemon(self.state, program, command, self.namespaces.prefix)
        self._daemons.append(daemon)
        daemon.start()
        return daemon

    def _template(self, name: str) -> str:
        text = (MANIFESTS / name).read_text()
        return Template(text).substitute(
            root=self.state.root,
            name=self.state.name,
            bin=binary("containerd").parent,
            cni=CNI_FOLDER,
            pods=self.network.pods,
            address=self.network.dns_service,
            pause=images.PAUSE,
            image=images.COREDNS,
            tag=version("kuberay"),
        )
