"""How the Fleet's Service is reached from outside of the cluster, where the Fleet asks for it."""

from typing import Any

from shoal.api import Fleet
from shoal.api.network import Gateway
from shoal.plan.owned.manifest import Manifest
from shoal.plan.ray_cluster.ports import SERVE

# A long answer is no mistake: Models have time-outs of their own.
NO_TIMEOUT = "0s"


def ingress(fleet: Fleet) -> Manifest | None:
    """The Ingress, if the Fleet asks for one."""
    said = fleet.spec.network.ingress
    if said is None:
        return None
    backend = {"service": {"name": fleet.metadata.name, "port": {"number": SERVE}}}
    path = {"path": "/", "pathType": "Prefix", "backend": backend}
    tls = {"hosts": [said.host], "secretName": said.tls_secret_name}
    spec = {
        **({"ingressClassName": said.class_name} if said.class_name else {}),
        **({"tls": [tls]} if said.tls_secret_name else {}),
        "rules": [{"host": said.host, "http": {"paths": [path]}}],
    }
    name = fleet.metadata.name
    return Manifest("networking.k8s.io/v1", "Ingress", name, {"spec": spec}, said.annotations)


def http_route(fleet: Fleet) -> Manifest | None:
    """The HTTPRoute of the Gateway API, if the Fleet asks for one."""
    said = fleet.spec.network.route
    if said is None:
        return None
    rule = {
        "matches": [{"path": {"type": "PathPrefix", "value": "/"}}],
        "backendRefs": [{"name": fleet.metadata.name, "port": SERVE}],
        "timeouts": {"request": NO_TIMEOUT},
    }
    spec = {
        "parentRefs": [_parent(gateway) for gateway in said.gateways],
        **({"hostnames": list(said.hostnames)} if said.hostnames else {}),
        "rules": [rule],
    }
    name = fleet.metadata.name
    return Manifest("gateway.networking.k8s.io/v1", "HTTPRoute", name, {"spec": spec})


def _parent(gateway: Gateway) -> dict[str, Any]:
    return gateway.model_dump(mode="json", exclude_none=True)
