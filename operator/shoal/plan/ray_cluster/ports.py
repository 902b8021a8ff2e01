"""The ports that Ray listens on in a pod, and KubeRay's names for them."""

from shoal.api.runtime import SERVE_PORT

SERVE = SERVE_PORT
GCS = 6379
DASHBOARD = 8265
CLIENT = 10001
METRICS = 8080
AGENT = 52365

HEAD_PORTS = {
    "gcs-server": GCS,
    "dashboard": DASHBOARD,
    "client": CLIENT,
    "metrics": METRICS,
    "serve": SERVE,
}
WORKER_PORTS = {"metrics": METRICS, "serve": SERVE}
