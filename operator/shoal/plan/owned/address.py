"""The Fleet's Service: one address that outlives the Ray clusters behind it."""

from shoal.api.labels import RAY_CLUSTER_LABEL, RAY_NODE_TYPE_LABEL
from shoal.plan.observed import ObservedFleet
from shoal.plan.owned.manifest import Manifest
from shoal.plan.ray_cluster.ports import SERVE
from shoal.plan.serving_cluster import serving_cluster

# KubeRay appends a hyphen and more to a Fleet's name: no Ray cluster is called so. A Service
# without a selector would keep endpoints of pods that are long gone.
NO_CLUSTER = "none"
PORT_NAME = "http"


def service(observed: ObservedFleet) -> Manifest:
    """Its endpoints are the workers of one Ray cluster that are ready; never the head, which is
    there to be lost.
    """
    said = observed.fleet.spec.network.service
    selector = {
        RAY_CLUSTER_LABEL: serving_cluster(observed) or NO_CLUSTER,
        RAY_NODE_TYPE_LABEL: "worker",
    }
    port = {
        "name": PORT_NAME,
        "port": SERVE,
        "targetPort": SERVE,
        "protocol": "TCP",
        "appProtocol": "http",
    }
    spec = {"type": said.type, "selector": selector, "ports": [port]}
    name = observed.fleet.metadata.name
    return Manifest("v1", "Service", name, {"spec": spec}, said.annotations)
