"""What the pods of a Fleet have in their environment, beside the fast mode.

Measured: with these, no request failed while the head was deleted or away for a minute, its GCS
was killed, or a worker was deleted.
"""

from collections.abc import Mapping
from typing import Any

from shoal.api.quantity import Quantity
from shoal.api.serve_environment import FAST_MODE
from shoal.plan.serve_config import DRAIN_S

# Every folder that may be written to is a volume: the root of the file system is read-only.
HOME = "/tmp"  # noqa: S108
CACHE = "/var/cache/shoal"
CREDENTIALS = "/var/run/secrets/shoal.dev/credentials"
HARD_STOP_S = DRAIN_S + 10
MOST_PROXY_THREADS = 4

HARDENING: Mapping[str, str] = {
    # A head that was away longer than this finds replicas slow to be recovered, and kills them all.
    "SERVE_SLOW_STARTUP_WARNING_S": "600",
    # An HAProxy that a reload replaced ends with its last request, not before.
    "RAY_SERVE_HAPROXY_HARD_STOP_AFTER_S": str(HARD_STOP_S),
    # A replica that stops stays this long for who has not heard of it yet.
    "RAY_SERVE_DIRECT_INGRESS_MIN_DRAINING_PERIOD_S": "5",
    "RAY_SERVE_METRICS_EXPORT_INTERVAL_MS": "2000",
    "METRICS_RECORD_INTERVAL_S": "30",
}

# A worker waits this long for a head that is gone, rather than Ray's minute.
RECONNECT: Mapping[str, str] = {"RAY_gcs_rpc_server_reconnect_timeout_s": "600"}


def ray_environment(cpu: Quantity, more: Mapping[str, str]) -> list[dict[str, Any]]:
    """The environment of a Ray container that may use so many processors."""
    threads = max(1, min(MOST_PROXY_THREADS, int(cpu.value)))
    said = {
        **FAST_MODE,
        **HARDENING,
        "RAY_SERVE_HAPROXY_NBTHREAD": str(threads),
        "HOME": HOME,
        "SHOAL_CACHE": CACHE,
        **more,
    }
    return [{"name": name, "value": value} for name, value in said.items()]
