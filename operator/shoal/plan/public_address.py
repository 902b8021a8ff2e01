"""The address that people are told."""

from shoal.api.network import Route
from shoal.plan.observed import ObservedFleet


def public_address(observed: ObservedFleet) -> str:
    """The base URL for a Fleet's Models, without a slash at its end.

    The Ingress's host, or else the first host name of the route, if it is one and no pattern; or
    else the address within the cluster, which always holds.
    """
    network = observed.fleet.spec.network
    if network.ingress and not network.ingress.host.startswith("*"):
        scheme = "https" if network.ingress.tls_secret_name else "http"
        return f"{scheme}://{network.ingress.host}"
    return _of_route(network.route) or observed.site.address


def _of_route(route: Route | None) -> str | None:
    names = (name for name in (route.hostnames if route else ()) if not name.startswith("*"))
    name = next(names, None)
    if route is None or name is None:
        return None
    if route.port == 443:
        return f"https://{name}"
    return f"http://{name}" + (f":{route.port}" if route.port not in (None, 80) else "")
