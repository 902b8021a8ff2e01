"""One private Ray head on this machine, on loopback and behind a token.

Everything it has is its own: a short run folder (Unix sockets allow 107 characters), free ports, a
token. Another Ray on the machine is neither seen nor touched.
"""

import json
import os
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from shoal import __version__
from shoal.api.serve_environment import FAST_MODE
from shoal.cluster.local import processes

OBJECT_STORE_BYTES = 100_000_000
REPLICA_PORTS = 1000
MEMORY_TIMES = 4
REMOVALS = 10
LAST_WORDS = 1000


@dataclass(frozen=True, slots=True)
class HeadRecord:
    """What there is to know of a running head; kept in a file, so that the next `up` can adopt it.

    `session` is the process and session id of `ray start`; None while that is being started.
    """

    version: str
    python: str
    session: int | None
    folder: str
    dashboard: int
    metrics: int
    port: int
    cpus: float
    token: str

    @property
    def temp(self) -> Path:
        """Ray's own folder, with its logs."""
        return Path(self.folder) / "ray"


def adopt_head(path: Path, port: int, cpus: float) -> HeadRecord | None:
    """The head that an earlier `up` left running, if it is what would be started now.

    Whatever else was left behind is ended, and its files are removed.
    """
    record = _read(path)
    if record is None:
        return None
    wanted = (__version__, sys.executable, port, cpus)
    same = (record.version, record.python, record.port, record.cpus) == wanted
    if same and record.session in processes.members(record.session, Path(record.folder)):
        return record
    end_head(path)
    return None


def start_head(path: Path, port: int, cpus: float, cache: Path) -> HeadRecord:
    """Start a head and note it in `path`. It answers some seconds later."""
    folder = Path(tempfile.mkdtemp(prefix="shoal-"))
    dashboard, metrics, *others = _free_ports(11)
    record = HeadRecord(
        version=__version__,
        python=sys.executable,
        session=None,
        folder=str(folder),
        dashboard=dashboard,
        metrics=metrics,
        port=port,
        cpus=cpus,
        token=secrets.token_hex(32),
    )
    # Noted before it is started: whoever is killed in between leaves nothing that is not found.
    _write(path, record)
    environment = _environment(folder, record.token, cache, others)
    leader = _launch(_command(folder, dashboard, metrics, others, cpus), environment, folder)
    record = replace(record, session=leader)
    _write(path, record)
    return record


def _launch(command: list[str], environment: dict[str, str], folder: Path) -> int:
    """Start it in a session of its own; its process id."""
    with (folder / "ray.log").open("wb") as log:
        leader = subprocess.Popen(
            command,
            env=environment,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    return leader.pid


def end_head(path: Path) -> None:
    """End the head noted in `path`, if there is one, and remove its files."""
    record = _read(path)
    if record is None:
        return
    processes.end(record.session, Path(record.folder))
    _remove(Path(record.folder))
    path.unlink(missing_ok=True)


def _remove(folder: Path) -> None:
    """A killed process may have been about to write; what it still wrote goes as well."""
    for _ in range(REMOVALS):
        shutil.rmtree(folder, ignore_errors=True)
        if not folder.exists():
            return
        time.sleep(0.1)


def is_alive(record: HeadRecord) -> bool:
    """Whether `ray start` still runs. A head that died is reaped here."""
    processes.reap(record.session)
    return record.session in processes.members(record.session, Path(record.folder))


def last_words(record: HeadRecord) -> str:
    """What `ray start` wrote last; its files go when another head is started."""
    try:
        lines = (Path(record.folder) / "ray.log").read_text(errors="replace").split("\n")
    except OSError as error:
        return f"nothing ({error.strerror})"
    return " | ".join(line.strip() for line in lines if line.strip())[-LAST_WORDS:]


def _environment(folder: Path, token: str, cache: Path, ports: list[int]) -> dict[str, str]:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
    fallback, fallback_grpc, haproxy_metrics, haproxy_stats, dashboard_metrics, *_ = ports
    low = _free_block(REPLICA_PORTS)
    return (
        inherited
        | dict(FAST_MODE)
        | {
            "SHOAL_CACHE": str(cache),
            # Without it Ray takes the machine's outer address for 127.0.0.1, and listens there.
            "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
            "RAY_AUTH_MODE": "token",
            "RAY_AUTH_TOKEN": token,
            "RAY_START_HOOK": "shoal.cluster.local.ray_start.without_client_server",
            "RAY_SERVE_HAPROXY_BINARY_PATH": str(Path(sys.executable).parent / "shoal-haproxy"),
            "RAY_SERVE_HAPROXY_NBTHREAD": str(min(4, os.cpu_count() or 1)),
            "RAY_SERVE_FALLBACK_PROXY_HTTP_PORT": str(fallback),
            "RAY_SERVE_FALLBACK_PROXY_GRPC_PORT": str(fallback_grpc),
            "RAY_SERVE_HAPROXY_METRICS_PORT": str(haproxy_metrics),
            "RAY_SERVE_HAPROXY_STATS_PORT": str(haproxy_stats),
            "RAY_SERVE_HAPROXY_CONFIG_FILE_LOC": str(folder / "haproxy.cfg"),
            "RAY_SERVE_HAPROXY_SOCKET_PATH": str(folder / "admin.sock"),
            "RAY_SERVE_HAPROXY_METRICS_SOCKET_PATH": str(folder / "m.sock"),
            "RAY_SERVE_HAPROXY_SERVER_STATE_BASE": str(folder),
            "RAY_SERVE_HAPROXY_SERVER_STATE_FILE": str(folder / "server-state"),
            "RAY_SERVE_DIRECT_INGRESS_MIN_HTTP_PORT": str(low),
            "RAY_SERVE_DIRECT_INGRESS_MAX_HTTP_PORT": str(low + REPLICA_PORTS),
            "RAY_SERVE_DIRECT_INGRESS_MIN_DRAINING_PERIOD_S": "2",
            "RAY_SERVE_PROXY_MIN_DRAINING_PERIOD_S": "1",
            "RAY_SERVE_METRICS_EXPORT_INTERVAL_MS": "2000",
            "METRICS_RECORD_INTERVAL_S": "30",
            "DASHBOARD_METRIC_PORT": str(dashboard_metrics),
        }
    )


def _command(
    folder: Path, dashboard: int, metrics: int, ports: list[int], cpus: float
) -> list[str]:
    *_, gcs, agent, agent_grpc, runtime_env = ports
    return [
        str(Path(sys.executable).parent / "ray"),
        "start",
        "--head",
        "--block",
        "--disable-usage-stats",
        "--no-monitor",
        "--include-log-monitor=false",
        "--node-ip-address=127.0.0.1",
        f"--port={gcs}",
        "--dashboard-host=127.0.0.1",
        f"--dashboard-port={dashboard}",
        f"--dashboard-agent-listen-port={agent}",
        f"--dashboard-agent-grpc-port={agent_grpc}",
        f"--runtime-env-agent-port={runtime_env}",
        f"--metrics-export-port={metrics}",
        # The kernel chooses: Ray's default range refuses ports of ours that lie in it.
        "--min-worker-port=0",
        "--max-worker-port=0",
        f"--num-cpus={cpus:g}",
        # Like the processors: what Models reserve must never keep one waiting on a laptop.
        f"--memory={MEMORY_TIMES * os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES')}",
        f"--object-store-memory={OBJECT_STORE_BYTES}",
        f"--temp-dir={folder / 'ray'}",
    ]


def _free_ports(count: int) -> list[int]:
    """Ports that were free a moment ago; all are held at once, so that they differ."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]
    finally:
        for each in sockets:
            each.close()


def _free_block(size: int) -> int:
    """Where a block for the replicas begins; Ray Serve passes over ports that are taken in it.

    Above what Ray takes by default, and below what Linux hands out by itself (32768).
    """
    blocks = range(20_000, 32_000, size)
    return secrets.choice(blocks)


def _read(path: Path) -> HeadRecord | None:
    try:
        return HeadRecord(**json.loads(path.read_text()))
    except (OSError, ValueError, TypeError):
        return None


def _write(path: Path, record: HeadRecord) -> None:
    temporary = path.with_suffix(".tmp")
    temporary.touch(mode=0o600)
    temporary.write_text(json.dumps(asdict(record)))
    temporary.replace(path)
